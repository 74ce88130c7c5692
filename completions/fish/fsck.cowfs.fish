# fish completion for fsck.cowfs(8)

complete -c fsck.cowfs -f -a '(__fish_complete_directories (commandline -ct))'
complete -c fsck.cowfs -s n -d 'Check only'
complete -c fsck.cowfs -s p -d 'Repair what loses nothing'
complete -c fsck.cowfs -s a -d 'Repair what loses nothing'
complete -c fsck.cowfs -s y -d 'Repair everything'
complete -c fsck.cowfs -s f -l force -d 'Check a store that was unmounted, too'
complete -c fsck.cowfs -l scrub -d 'Read all file data'
complete -c fsck.cowfs -s C -l progress -d 'Show progress'
complete -c fsck.cowfs -s v -l verbose -d 'Say more'
complete -c fsck.cowfs -l json -d 'Print JSON'
complete -c fsck.cowfs -s h -l help -d 'Show help and exit'
complete -c fsck.cowfs -s V -l version -d 'Show the version and exit'
