# fish completion for cowfs(8)

function __cowfs_mounts
    awk '$3 == "fuse.cowfs" { print $2 }' /proc/self/mounts
end

function __cowfs_mount_options
    set -l done (string match -r '^.*,' -- (commandline -ct | string replace -r '^-o' ''))
    for option in ro rw volume= commit= cache= nosnapdir allow_other allow_root loglevel= log= fsname= nosuid nodev noexec
        echo "$done$option"
    end
end

complete -c cowfs -f
complete -c cowfs -n 'not __fish_contains_opt unmount' -a '(__fish_complete_directories (commandline -ct))'
complete -c cowfs -n '__fish_contains_opt unmount' -a '(__cowfs_mounts)' -d 'Mount point'
complete -c cowfs -s o -x -a '(__cowfs_mount_options)' -d 'Mount options'
complete -c cowfs -l create -d 'Make the store where it is missing'
complete -c cowfs -l unmount -d 'Unmount and wait for the store'
complete -c cowfs -s l -l lazy -d 'With --unmount: detach now and do not wait'
complete -c cowfs -l force -d 'With --unmount: end requests under way with an error'
complete -c cowfs -s f -l foreground -d 'Stay in the foreground'
complete -c cowfs -s d -l debug -d 'Stay in the foreground, log every request'
complete -c cowfs -l log -r -F -d 'Log to a file'
complete -c cowfs -s h -l help -d 'Show help and exit'
complete -c cowfs -s V -l version -d 'Show the version and exit'
