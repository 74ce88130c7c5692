# fish completion for cowsim(1)

function __cowsim_needs_command
    test (count (string match --invert -- '-*' (commandline -opc))) -eq 1
end

function __cowsim_command
    set -l words (string match --invert -- '-*' (commandline -opc))
    test (count $words) -ge 2; and contains -- $words[2] $argv
end

complete -c cowsim -f
complete -c cowsim -s h -l help -d 'Show help and exit'
complete -c cowsim -n __cowsim_needs_command -s V -l version -d 'Show the version and exit'
complete -c cowsim -n __cowsim_needs_command -a run -d 'Run a trace'
complete -c cowsim -n __cowsim_needs_command -a explain -d 'Say what each step of a trace does'
complete -c cowsim -n __cowsim_needs_command -a demo -d 'A figure of the textbooks'
complete -c cowsim -n __cowsim_needs_command -a quiz -d Exercises
complete -c cowsim -n __cowsim_needs_command -a fuzz -d 'Random traces against a plain model'
complete -c cowsim -n __cowsim_needs_command -a oracle -d 'Random traces against this kernel'
complete -c cowsim -n __cowsim_needs_command -a live -d 'Random traces against page faults of its own'
complete -c cowsim -n __cowsim_needs_command -a fs -d 'Random traces against a mounted cowfs'
complete -c cowsim -n '__cowsim_command run explain oracle live fs' -F
complete -c cowsim -n '__cowsim_command demo' -a 'fig-c fig-mmap vfork cp8 swap fork-cost'
complete -c cowsim -n '__cowsim_command run explain demo' -l svg -x -a '(__fish_complete_directories)' -d 'Write pictures to a directory'
complete -c cowsim -n '__cowsim_command run explain demo' -l html -r -F -d 'Write a page'
complete -c cowsim -n '__cowsim_command run demo' -l json -d 'Print JSON'
complete -c cowsim -n '__cowsim_command run demo' -s q -l quiet -d 'Print only what is not as expected'
complete -c cowsim -n '__cowsim_command demo' -l trace -d 'Print the trace'
complete -c cowsim -n '__cowsim_command demo' -l most -x -d 'Largest size in MiB'
complete -c cowsim -n '__cowsim_command quiz' -l seed -x -d 'Another exercise'
complete -c cowsim -n '__cowsim_command quiz' -l answers -d 'Print the answers'
complete -c cowsim -n '__cowsim_command fuzz oracle live fs' -l seeds -x -d 'These seeds: A..B'
complete -c cowsim -n '__cowsim_command fuzz oracle live' -l bug -x -d 'Plant a mistake'
complete -c cowsim -n '__cowsim_command oracle' -l profile -x -a 'linux textbook' -d 'Rules'
complete -c cowsim -n '__cowsim_command oracle' -l values-only -d 'Compare no faults and no frames'
complete -c cowsim -n '__cowsim_command oracle' -l strict -d 'Accept no choices of the kernel'
complete -c cowsim -n '__cowsim_command oracle' -l tolerant -d 'Accept all choices of the kernel'
complete -c cowsim -n '__cowsim_command oracle' -l unpinned -d 'Use all processors'
complete -c cowsim -n '__cowsim_command oracle' -l disk -x -a '(__fish_complete_directories)' -d 'Files on this filesystem'
complete -c cowsim -n '__cowsim_command fs' -l fork -x -a 'clone volume' -d 'What fork is'
complete -c cowsim -n '__cowsim_command fs' -l remount -x -d 'Command that mounts again'
complete -c cowsim -n '__cowsim_command fs' -l kill -x -d 'Command that kills the daemon and mounts again'
complete -c cowsim -n '__cowsim_command fs' -l three-way -d 'Real processes as well'
