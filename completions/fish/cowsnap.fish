# fish completion for cowsnap(1)

function __cowsnap_words
    # The words of the line that are no options, the one at the cursor not included: cowsnap, command, path, names.
    string match --invert -- '-*' (commandline -opc)
end

function __cowsnap_at --description 'true at argument NUMBER of one of these COMMANDs'
    set -l words (__cowsnap_words)
    test (count $words) -eq (math $argv[1] + 1); and contains -- $words[2] $argv[2..-1]
end

function __cowsnap_deleting
    set -l words (__cowsnap_words)
    test (count $words) -ge 3; and test "$words[2]" = delete
end

function __cowsnap_volumes
    set -l words (__cowsnap_words)
    set -l path (string replace -r '^~(?=/|$)' -- $HOME $words[3])
    cowsnap list $path 2>/dev/null | awk 'NR > 1 && $1 !~ /\\\\/ { print $1 }'
end

function __cowsnap_needs_command
    test (count (__cowsnap_words)) -eq 1
end

function __cowsnap_command
    set -l words (__cowsnap_words)
    test (count $words) -ge 2; and contains -- $words[2] $argv
end

complete -c cowsnap -f
complete -c cowsnap -s h -l help -d 'Show help and exit'
complete -c cowsnap -n __cowsnap_needs_command -s V -l version -d 'Show the version and exit'
complete -c cowsnap -n __cowsnap_needs_command -a create -d 'Take a snapshot'
complete -c cowsnap -n __cowsnap_needs_command -a fork -d 'Make a writable fork'
complete -c cowsnap -n __cowsnap_needs_command -a list -d 'Show all volumes'
complete -c cowsnap -n __cowsnap_needs_command -a rename -d 'Give a volume another name'
complete -c cowsnap -n __cowsnap_needs_command -a delete -d 'Delete volumes'
complete -c cowsnap -n __cowsnap_needs_command -a sync -d 'Wait until everything is on disk'
complete -c cowsnap -n '__cowsnap_at 1 create fork list rename delete sync' -F
complete -c cowsnap -n '__cowsnap_at 2 rename; or __cowsnap_deleting' -a '(__cowsnap_volumes)' -d Volume
complete -c cowsnap -n '__cowsnap_command create fork' -s q -l quiet -d 'Do not print the name'
complete -c cowsnap -n '__cowsnap_command create fork list' -l json -d 'Print JSON'
