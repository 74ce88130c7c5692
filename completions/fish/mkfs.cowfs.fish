# fish completion for mkfs.cowfs(8)

complete -c mkfs.cowfs -f -a '(__fish_complete_directories (commandline -ct))'
complete -c mkfs.cowfs -s q -l quiet -d 'Print nothing but errors'
complete -c mkfs.cowfs -l no-data-checksums -d 'Keep no checksums of file data'
complete -c mkfs.cowfs -l json -d 'Print JSON'
complete -c mkfs.cowfs -s h -l help -d 'Show help and exit'
complete -c mkfs.cowfs -s V -l version -d 'Show the version and exit'
