# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_dhow_global_optspecs
    string join \n v/version h/help
end

function __fish_dhow_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_dhow_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_dhow_using_subcommand
    set -l cmd (__fish_dhow_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c dhow -n "__fish_dhow_needs_command" -s v -l version -d 'Print the version'
complete -c dhow -n "__fish_dhow_needs_command" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "build" -d 'Build an image from a Dockerfile'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "bud" -d 'Build an image from a Dockerfile'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "commit" -d 'Make an image of a container as it is now'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "exec" -d 'Run a program in a running container'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "export" -d 'Write a container\'s file system to a tar'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "history" -d 'Show how an image came to be'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "images" -d 'List images'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "import" -d 'Make an image of a root file system in a tar archive'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "info" -d 'Show what dhow knows of this machine and its store'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "inspect" -d 'Show everything known of containers and images'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "kill" -d 'Send a signal to running containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "load" -d 'Load images from an archive that save wrote'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "logs" -d 'Show what a container has written'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "ps" -d 'List containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "rm" -d 'Remove containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "rmi" -d 'Remove images'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "run" -d 'Run a program in a new container'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "save" -d 'Write images to an archive'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "stop" -d 'Stop running containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "tag" -d 'Give an image another name'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "untag" -d 'Take names away from an image'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "version" -d 'Print the version'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "__remove-tree" -d 'Remove a folder whose files belong to sub-ids'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "container" -d 'Commands for containers'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "image" -d 'Commands for images'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "builder" -d 'Commands for builds'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "buildx" -d 'Commands for builds'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "system" -d 'Commands for this machine\'s dhow'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "volume" -d 'Commands for volumes'
complete -c dhow -n "__fish_dhow_needs_command" -f -a "generate" -d 'Write man pages and shell completions'
complete -c dhow -n "__fish_dhow_using_subcommand build" -s t -l tag -d 'Name of the image; may be given several times' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -s f -l file -d 'The Dockerfile, or - for standard input [default: Containerfile or Dockerfile in the context]' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l build-arg -d 'Value of an ARG; without a value it is taken from the environment' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l build-context -d 'Another place to copy from: name=folder, name=URL, name=docker-image://image' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l ignorefile -d 'The file that says what is left out of the context' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand build" -l target -d 'Stage to build, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l no-cache-filter -d 'Do every step of these stages again, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l jobs -d 'How many RUN steps of different stages run at the same time; 0 for all [default: the processors, at least 4]' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l call -d 'What to do: build, check, or check,format=json' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l network -d 'The network: private (own addresses, connected to the outside), host, or none' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l secret -d 'A secret for RUN --mount=type=secret: id=NAME[,src=FILE|,env=NAME]' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l ssh -d 'An SSH agent for RUN --mount=type=ssh [default socket: $SSH_AUTH_SOCK]' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l allow -d 'Allow what a RUN asks for: security.insecure, network.host' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l add-host -d 'Add a name to /etc/hosts of every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l dns -d 'Name server of every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l shm-size -d 'Size of /dev/shm in every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l ulimit -d 'Resource limit of every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l cap-add -d 'Add a capability to every RUN (NET_ADMIN, or ALL)' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l cap-drop -d 'Drop a capability of every RUN (CHOWN, or ALL)' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l security-opt -d 'Security of every RUN: seccomp=unconfined, no-new-privileges' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l cgroup-parent -d 'Accepted and without effect: steps stay in the build\'s own cgroup' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -s o -l output -d 'Where the result goes: a folder for its files, - for a tar of them, or type=local|tar|oci|docker|image|cacheonly' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l metadata-file -d 'Write what was built to a file, as JSON' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand build" -l annotation -d 'Add a note to the image\'s manifest' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l timestamp -d 'Time of the image and of every file in its new layers, in seconds since 1970' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l source-date-epoch -d 'Time of the image, in seconds since 1970 [default: $SOURCE_DATE_EPOCH]' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l env -d 'Set a variable in the image, not for its steps; without a value it is taken from the environment' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l unsetenv -d 'Take a variable from the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l unsetlabel -d 'Take a label from the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l inherit-labels -d 'Whether labels of base images are inherited' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l from -d 'The image of the first FROM, in place of what the file says' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l provenance -d 'Accepted and without effect: no attestation is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l sbom -d 'Accepted and without effect: no attestation is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l attest -d 'Accepted and without effect: no attestation is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l builder -d 'Accepted and without effect: there is only one builder' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l iidfile -d 'Write the image\'s id to a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand build" -l label -d 'Attach a label to the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l platform -d 'Platform of the image; only this machine\'s own' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l pull -d 'Accepted and without effect: there is no registry to ask yet' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l progress -d 'Accepted and without effect: progress is always plain lines' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l format -d 'Accepted and without effect: an image has one form here; `save --format` chooses another' -r
complete -c dhow -n "__fish_dhow_using_subcommand build" -l no-cache -d 'Do every step again'
complete -c dhow -n "__fish_dhow_using_subcommand build" -l check -d 'Check the Dockerfile for likely mistakes and build nothing; exit code 1 if there are any'
complete -c dhow -n "__fish_dhow_using_subcommand build" -l shell-on-fail -d 'Open a shell where a RUN fails; needs a terminal'
complete -c dhow -n "__fish_dhow_using_subcommand build" -l squash -d 'Make one layer of those that the build adds to its base image'
complete -c dhow -n "__fish_dhow_using_subcommand build" -l squash-all -d 'Make one layer of all'
complete -c dhow -n "__fish_dhow_using_subcommand build" -l rewrite-timestamp -d 'No file in the new layers is younger than the time of the image'
complete -c dhow -n "__fish_dhow_using_subcommand build" -l omit-history -d 'Leave the history out of the image'
complete -c dhow -n "__fish_dhow_using_subcommand build" -l push -d 'Refused: there is no registry to push to yet'
complete -c dhow -n "__fish_dhow_using_subcommand build" -s q -l quiet -d 'Print nothing but the image\'s id'
complete -c dhow -n "__fish_dhow_using_subcommand build" -l rm -d 'Accepted and without effect: intermediate containers do not exist'
complete -c dhow -n "__fish_dhow_using_subcommand build" -l force-rm -d 'Accepted and without effect: intermediate containers do not exist'
complete -c dhow -n "__fish_dhow_using_subcommand build" -l layers -d 'Accepted and without effect: every step is cached'
complete -c dhow -n "__fish_dhow_using_subcommand build" -l load -d 'Accepted and without effect: the image is always in the store'
complete -c dhow -n "__fish_dhow_using_subcommand build" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand bud" -s t -l tag -d 'Name of the image; may be given several times' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -s f -l file -d 'The Dockerfile, or - for standard input [default: Containerfile or Dockerfile in the context]' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l build-arg -d 'Value of an ARG; without a value it is taken from the environment' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l build-context -d 'Another place to copy from: name=folder, name=URL, name=docker-image://image' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l ignorefile -d 'The file that says what is left out of the context' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l target -d 'Stage to build, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l no-cache-filter -d 'Do every step of these stages again, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l jobs -d 'How many RUN steps of different stages run at the same time; 0 for all [default: the processors, at least 4]' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l call -d 'What to do: build, check, or check,format=json' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l network -d 'The network: private (own addresses, connected to the outside), host, or none' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l secret -d 'A secret for RUN --mount=type=secret: id=NAME[,src=FILE|,env=NAME]' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l ssh -d 'An SSH agent for RUN --mount=type=ssh [default socket: $SSH_AUTH_SOCK]' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l allow -d 'Allow what a RUN asks for: security.insecure, network.host' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l add-host -d 'Add a name to /etc/hosts of every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l dns -d 'Name server of every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l shm-size -d 'Size of /dev/shm in every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l ulimit -d 'Resource limit of every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l cap-add -d 'Add a capability to every RUN (NET_ADMIN, or ALL)' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l cap-drop -d 'Drop a capability of every RUN (CHOWN, or ALL)' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l security-opt -d 'Security of every RUN: seccomp=unconfined, no-new-privileges' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l cgroup-parent -d 'Accepted and without effect: steps stay in the build\'s own cgroup' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -s o -l output -d 'Where the result goes: a folder for its files, - for a tar of them, or type=local|tar|oci|docker|image|cacheonly' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l metadata-file -d 'Write what was built to a file, as JSON' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l annotation -d 'Add a note to the image\'s manifest' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l timestamp -d 'Time of the image and of every file in its new layers, in seconds since 1970' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l source-date-epoch -d 'Time of the image, in seconds since 1970 [default: $SOURCE_DATE_EPOCH]' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l env -d 'Set a variable in the image, not for its steps; without a value it is taken from the environment' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l unsetenv -d 'Take a variable from the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l unsetlabel -d 'Take a label from the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l inherit-labels -d 'Whether labels of base images are inherited' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l from -d 'The image of the first FROM, in place of what the file says' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l provenance -d 'Accepted and without effect: no attestation is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l sbom -d 'Accepted and without effect: no attestation is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l attest -d 'Accepted and without effect: no attestation is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l builder -d 'Accepted and without effect: there is only one builder' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l iidfile -d 'Write the image\'s id to a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l label -d 'Attach a label to the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l platform -d 'Platform of the image; only this machine\'s own' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l pull -d 'Accepted and without effect: there is no registry to ask yet' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l progress -d 'Accepted and without effect: progress is always plain lines' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l format -d 'Accepted and without effect: an image has one form here; `save --format` chooses another' -r
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l no-cache -d 'Do every step again'
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l check -d 'Check the Dockerfile for likely mistakes and build nothing; exit code 1 if there are any'
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l shell-on-fail -d 'Open a shell where a RUN fails; needs a terminal'
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l squash -d 'Make one layer of those that the build adds to its base image'
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l squash-all -d 'Make one layer of all'
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l rewrite-timestamp -d 'No file in the new layers is younger than the time of the image'
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l omit-history -d 'Leave the history out of the image'
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l push -d 'Refused: there is no registry to push to yet'
complete -c dhow -n "__fish_dhow_using_subcommand bud" -s q -l quiet -d 'Print nothing but the image\'s id'
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l rm -d 'Accepted and without effect: intermediate containers do not exist'
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l force-rm -d 'Accepted and without effect: intermediate containers do not exist'
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l layers -d 'Accepted and without effect: every step is cached'
complete -c dhow -n "__fish_dhow_using_subcommand bud" -l load -d 'Accepted and without effect: the image is always in the store'
complete -c dhow -n "__fish_dhow_using_subcommand bud" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand commit" -s m -l message -d 'Message for the image\'s history' -r
complete -c dhow -n "__fish_dhow_using_subcommand commit" -s a -l author -d 'Author of the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand commit" -s c -l change -d 'Apply a Dockerfile instruction to the image\'s configuration (CMD, ENV, …)' -r
complete -c dhow -n "__fish_dhow_using_subcommand commit" -s f -l format -d 'Accepted and without effect: an image has one form here; `save --format` chooses another' -r
complete -c dhow -n "__fish_dhow_using_subcommand commit" -s p -l pause -d 'Pause the container meanwhile'
complete -c dhow -n "__fish_dhow_using_subcommand commit" -s q -l quiet -d 'Accepted and without effect: there is no progress to hide'
complete -c dhow -n "__fish_dhow_using_subcommand commit" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand exec" -s w -l workdir -d 'Working directory inside the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand exec" -s u -l user -d 'User, by name or number, and group' -r
complete -c dhow -n "__fish_dhow_using_subcommand exec" -s e -l env -d 'Set a variable; without a value it is copied from here, and `PREFIX*` copies all that begin so' -r
complete -c dhow -n "__fish_dhow_using_subcommand exec" -l env-file -d 'Read variables from a file, one NAME=VALUE a line' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand exec" -s i -l interactive -d 'Keep standard input open and pass it on'
complete -c dhow -n "__fish_dhow_using_subcommand exec" -s t -l tty -d 'Give the process a terminal'
complete -c dhow -n "__fish_dhow_using_subcommand exec" -s d -l detach -d 'Go to the background and print the container\'s id'
complete -c dhow -n "__fish_dhow_using_subcommand exec" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand export" -s o -l output -d 'The file to write [default: standard output]' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand export" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand history" -l format -d 'Print json, or what a Go template says of each step' -r
complete -c dhow -n "__fish_dhow_using_subcommand history" -s H -l human -d 'Print sizes and times for people; with =false, bytes and points in time' -r
complete -c dhow -n "__fish_dhow_using_subcommand history" -l no-trunc -d 'Do not shorten ids and instructions'
complete -c dhow -n "__fish_dhow_using_subcommand history" -s q -l quiet -d 'Print ids only'
complete -c dhow -n "__fish_dhow_using_subcommand history" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand images" -s f -l filter -d 'Show only what matches: reference, dangling, label, label!, before, since, until, id, digest or containers, as KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand images" -l format -d 'Print json, or what a Go template says of each image' -r
complete -c dhow -n "__fish_dhow_using_subcommand images" -l sort -d 'Order: created, repository, size or tag' -r
complete -c dhow -n "__fish_dhow_using_subcommand images" -s a -l all -d 'Accepted and without effect: all images are shown'
complete -c dhow -n "__fish_dhow_using_subcommand images" -s q -l quiet -d 'Print ids only'
complete -c dhow -n "__fish_dhow_using_subcommand images" -l no-trunc -d 'Do not shorten ids'
complete -c dhow -n "__fish_dhow_using_subcommand images" -l digests -d 'Show digests'
complete -c dhow -n "__fish_dhow_using_subcommand images" -s n -l noheading -d 'Print no line of headings'
complete -c dhow -n "__fish_dhow_using_subcommand images" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand import" -s c -l change -d 'Apply a Dockerfile instruction to the image\'s configuration (CMD, ENV, …)' -r
complete -c dhow -n "__fish_dhow_using_subcommand import" -s m -l message -d 'Message for the image\'s history' -r
complete -c dhow -n "__fish_dhow_using_subcommand import" -s q -l quiet -d 'Show no progress'
complete -c dhow -n "__fish_dhow_using_subcommand import" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand info" -s f -l format -d 'Print json, or what a Go template says' -r
complete -c dhow -n "__fish_dhow_using_subcommand info" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand inspect" -s f -l format -d 'Print json, or what a Go template says of each object' -r
complete -c dhow -n "__fish_dhow_using_subcommand inspect" -s t -l type -d 'What to look for: container, image or all' -r
complete -c dhow -n "__fish_dhow_using_subcommand inspect" -s s -l size -d 'Accepted and without effect: sizes of images are always shown'
complete -c dhow -n "__fish_dhow_using_subcommand inspect" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand kill" -s s -l signal -d 'The signal, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand kill" -s a -l all -d 'Send it to all running containers'
complete -c dhow -n "__fish_dhow_using_subcommand kill" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand load" -s i -l input -d 'The archive, or a folder: an OCI layout or a dir: of podman [default: standard input]' -r
complete -c dhow -n "__fish_dhow_using_subcommand load" -s q -l quiet -d 'Show no progress'
complete -c dhow -n "__fish_dhow_using_subcommand load" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand logs" -s n -l tail -d 'Show only the last lines' -r
complete -c dhow -n "__fish_dhow_using_subcommand logs" -l since -d 'Show only what was written after this time (RFC 3339, seconds, or a span such as 10m)' -r
complete -c dhow -n "__fish_dhow_using_subcommand logs" -l until -d 'Show only what was written before this time' -r
complete -c dhow -n "__fish_dhow_using_subcommand logs" -s f -l follow -d 'Go on until the container ends'
complete -c dhow -n "__fish_dhow_using_subcommand logs" -s t -l timestamps -d 'Show the time of each line'
complete -c dhow -n "__fish_dhow_using_subcommand logs" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand ps" -s f -l filter -d 'Show only what matches: id, name, status, label, label!, ancestor, exited, before, since, until, volume, network or health, as KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand ps" -l format -d 'Print json, or what a Go template says of each container' -r
complete -c dhow -n "__fish_dhow_using_subcommand ps" -s n -l last -d 'Show the last created containers, whatever their state' -r
complete -c dhow -n "__fish_dhow_using_subcommand ps" -l sort -d 'Order: created, id, image, names, runningfor, status or command' -r
complete -c dhow -n "__fish_dhow_using_subcommand ps" -s a -l all -d 'Show containers that do not run, too'
complete -c dhow -n "__fish_dhow_using_subcommand ps" -s q -l quiet -d 'Print ids only'
complete -c dhow -n "__fish_dhow_using_subcommand ps" -l no-trunc -d 'Do not shorten ids and commands'
complete -c dhow -n "__fish_dhow_using_subcommand ps" -l noheading -d 'Print no line of headings'
complete -c dhow -n "__fish_dhow_using_subcommand ps" -s l -l latest -d 'Show the last created container, whatever its state'
complete -c dhow -n "__fish_dhow_using_subcommand ps" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand rm" -s t -l time -d 'Seconds to wait for a running container to end before SIGKILL (with --force)' -r
complete -c dhow -n "__fish_dhow_using_subcommand rm" -s f -l force -d 'Stop a running container first; one that does not exist is no error'
complete -c dhow -n "__fish_dhow_using_subcommand rm" -s a -l all -d 'Remove all containers'
complete -c dhow -n "__fish_dhow_using_subcommand rm" -s i -l ignore -d 'Containers that do not exist are no error'
complete -c dhow -n "__fish_dhow_using_subcommand rm" -s v -l volumes -d 'Accepted and without effect: there are no anonymous volumes'
complete -c dhow -n "__fish_dhow_using_subcommand rm" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand rmi" -s f -l force -d 'Remove it with all its names, and the containers made from it; a missing image is no error'
complete -c dhow -n "__fish_dhow_using_subcommand rmi" -s a -l all -d 'Remove all images'
complete -c dhow -n "__fish_dhow_using_subcommand rmi" -s i -l ignore -d 'Images that do not exist are no error'
complete -c dhow -n "__fish_dhow_using_subcommand rmi" -l no-prune -d 'Accepted and without effect: images have no parents here'
complete -c dhow -n "__fish_dhow_using_subcommand rmi" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand run" -l name -d 'Name of the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -s w -l workdir -d 'Working directory inside the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -s u -l user -d 'User, by name or number, and group' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -s e -l env -d 'Set a variable; without a value it is copied from here, and `PREFIX*` copies all that begin so' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l env-file -d 'Read variables from a file, one NAME=VALUE a line' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand run" -s v -l volume -d 'Mount a file or folder of this machine, or a named volume' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l mount -d 'Mount something: type=bind|volume|tmpfs,source=…,target=…[,readonly]' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l tmpfs -d 'Mount an empty file system in memory' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l network -d 'The network: private (own addresses, connected to the outside), host, or none' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -s h -l hostname -d 'Host name inside the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -s l -l label -d 'Attach a label' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cap-add -d 'Add a capability (NET_ADMIN, or ALL)' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cap-drop -d 'Drop a capability (CHOWN, or ALL)' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l entrypoint -d 'Program to run instead of the image\'s entrypoint: a word or a JSON list' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l stop-signal -d 'Signal that asks the container to end' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l stop-timeout -d 'Seconds between that signal and SIGKILL' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l cidfile -d 'Write the container\'s id to a file, which must not exist yet' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand run" -l pull -d 'When to fetch the image: missing or never (nothing is fetched so far)' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l platform -d 'Platform of the image; only this machine\'s own' -r
complete -c dhow -n "__fish_dhow_using_subcommand run" -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand run" -l rm -d 'Remove the container when it ends'
complete -c dhow -n "__fish_dhow_using_subcommand run" -s i -l interactive -d 'Keep standard input open and pass it on'
complete -c dhow -n "__fish_dhow_using_subcommand run" -s t -l tty -d 'Give the process a terminal'
complete -c dhow -n "__fish_dhow_using_subcommand run" -s d -l detach -d 'Go to the background and print the container\'s id'
complete -c dhow -n "__fish_dhow_using_subcommand run" -l read-only -d 'Make the container\'s root file system read-only'
complete -c dhow -n "__fish_dhow_using_subcommand run" -l sig-proxy -d 'Accepted and without effect: signals are always passed on'
complete -c dhow -n "__fish_dhow_using_subcommand run" -s q -l quiet -d 'Accepted and without effect: there is no progress to hide'
complete -c dhow -n "__fish_dhow_using_subcommand save" -s o -l output -d 'The file to write, or the folder for the formats that are one [default: standard output]' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand save" -l format -d 'The form: docker-archive, oci-archive, oci-dir or docker-dir' -r
complete -c dhow -n "__fish_dhow_using_subcommand save" -s m -l multi-image-archive -d 'Accepted and without effect: several images always fit in one archive'
complete -c dhow -n "__fish_dhow_using_subcommand save" -s q -l quiet -d 'Show no progress'
complete -c dhow -n "__fish_dhow_using_subcommand save" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand stop" -s t -l time -d 'Seconds to wait before SIGKILL [default: the container\'s own, 10]' -r
complete -c dhow -n "__fish_dhow_using_subcommand stop" -s a -l all -d 'Stop all running containers'
complete -c dhow -n "__fish_dhow_using_subcommand stop" -s i -l ignore -d 'Containers that do not exist are no error'
complete -c dhow -n "__fish_dhow_using_subcommand stop" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand tag" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand untag" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand version" -s f -l format -d 'Print json, or what a Go template says' -r
complete -c dhow -n "__fish_dhow_using_subcommand version" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand __remove-tree" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from commit exec exists export inspect kill logs ls list ps prune rm run stop" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from commit exec exists export inspect kill logs ls list ps prune rm run stop" -f -a "commit" -d 'Make an image of a container as it is now'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from commit exec exists export inspect kill logs ls list ps prune rm run stop" -f -a "exec" -d 'Run a program in a running container'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from commit exec exists export inspect kill logs ls list ps prune rm run stop" -f -a "exists" -d 'Tell by the exit code whether a container exists'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from commit exec exists export inspect kill logs ls list ps prune rm run stop" -f -a "export" -d 'Write a container\'s file system to a tar'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from commit exec exists export inspect kill logs ls list ps prune rm run stop" -f -a "inspect" -d 'Show everything known of containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from commit exec exists export inspect kill logs ls list ps prune rm run stop" -f -a "kill" -d 'Send a signal to running containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from commit exec exists export inspect kill logs ls list ps prune rm run stop" -f -a "logs" -d 'Show what a container has written'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from commit exec exists export inspect kill logs ls list ps prune rm run stop" -f -a "ls" -d 'List containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from commit exec exists export inspect kill logs ls list ps prune rm run stop" -f -a "list" -d 'List containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from commit exec exists export inspect kill logs ls list ps prune rm run stop" -f -a "ps" -d 'List containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from commit exec exists export inspect kill logs ls list ps prune rm run stop" -f -a "prune" -d 'Remove all containers that do not run'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from commit exec exists export inspect kill logs ls list ps prune rm run stop" -f -a "rm" -d 'Remove containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from commit exec exists export inspect kill logs ls list ps prune rm run stop" -f -a "run" -d 'Run a program in a new container'
complete -c dhow -n "__fish_dhow_using_subcommand container; and not __fish_seen_subcommand_from commit exec exists export inspect kill logs ls list ps prune rm run stop" -f -a "stop" -d 'Stop running containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from commit" -s m -l message -d 'Message for the image\'s history' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from commit" -s a -l author -d 'Author of the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from commit" -s c -l change -d 'Apply a Dockerfile instruction to the image\'s configuration (CMD, ENV, …)' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from commit" -s f -l format -d 'Accepted and without effect: an image has one form here; `save --format` chooses another' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from commit" -s p -l pause -d 'Pause the container meanwhile'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from commit" -s q -l quiet -d 'Accepted and without effect: there is no progress to hide'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from commit" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -s w -l workdir -d 'Working directory inside the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -s u -l user -d 'User, by name or number, and group' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -s e -l env -d 'Set a variable; without a value it is copied from here, and `PREFIX*` copies all that begin so' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -l env-file -d 'Read variables from a file, one NAME=VALUE a line' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -s i -l interactive -d 'Keep standard input open and pass it on'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -s t -l tty -d 'Give the process a terminal'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -s d -l detach -d 'Go to the background and print the container\'s id'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exec" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from export" -s o -l output -d 'The file to write [default: standard output]' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Print json, or what a Go template says of each object' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from inspect" -s s -l size -d 'Accepted and without effect: sizes of images are always shown'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from kill" -s s -l signal -d 'The signal, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from kill" -s a -l all -d 'Send it to all running containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from kill" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from logs" -s n -l tail -d 'Show only the last lines' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from logs" -l since -d 'Show only what was written after this time (RFC 3339, seconds, or a span such as 10m)' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from logs" -l until -d 'Show only what was written before this time' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Go on until the container ends'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from logs" -s t -l timestamps -d 'Show the time of each line'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from logs" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Show only what matches: id, name, status, label, label!, ancestor, exited, before, since, until, volume, network or health, as KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -l format -d 'Print json, or what a Go template says of each container' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -s n -l last -d 'Show the last created containers, whatever their state' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -l sort -d 'Order: created, id, image, names, runningfor, status or command' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -s a -l all -d 'Show containers that do not run, too'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print ids only'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Do not shorten ids and commands'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -l noheading -d 'Print no line of headings'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -s l -l latest -d 'Show the last created container, whatever its state'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -s f -l filter -d 'Show only what matches: id, name, status, label, label!, ancestor, exited, before, since, until, volume, network or health, as KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -l format -d 'Print json, or what a Go template says of each container' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -s n -l last -d 'Show the last created containers, whatever their state' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -l sort -d 'Order: created, id, image, names, runningfor, status or command' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -s a -l all -d 'Show containers that do not run, too'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print ids only'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -l no-trunc -d 'Do not shorten ids and commands'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -l noheading -d 'Print no line of headings'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -s l -l latest -d 'Show the last created container, whatever its state'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -s f -l filter -d 'Show only what matches: id, name, status, label, label!, ancestor, exited, before, since, until, volume, network or health, as KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -l format -d 'Print json, or what a Go template says of each container' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -s n -l last -d 'Show the last created containers, whatever their state' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -l sort -d 'Order: created, id, image, names, runningfor, status or command' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -s a -l all -d 'Show containers that do not run, too'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -s q -l quiet -d 'Print ids only'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -l no-trunc -d 'Do not shorten ids and commands'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -l noheading -d 'Print no line of headings'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -s l -l latest -d 'Show the last created container, whatever its state'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from ps" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from prune" -l filter -d 'Only what matches: until, label or label!, as KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from prune" -l dry-run -d 'Show what would be removed, and remove nothing'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from rm" -s t -l time -d 'Seconds to wait for a running container to end before SIGKILL (with --force)' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from rm" -s f -l force -d 'Stop a running container first; one that does not exist is no error'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from rm" -s a -l all -d 'Remove all containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'Containers that do not exist are no error'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from rm" -s v -l volumes -d 'Accepted and without effect: there are no anonymous volumes'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l name -d 'Name of the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s w -l workdir -d 'Working directory inside the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s u -l user -d 'User, by name or number, and group' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s e -l env -d 'Set a variable; without a value it is copied from here, and `PREFIX*` copies all that begin so' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l env-file -d 'Read variables from a file, one NAME=VALUE a line' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s v -l volume -d 'Mount a file or folder of this machine, or a named volume' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l mount -d 'Mount something: type=bind|volume|tmpfs,source=…,target=…[,readonly]' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l tmpfs -d 'Mount an empty file system in memory' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l network -d 'The network: private (own addresses, connected to the outside), host, or none' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s h -l hostname -d 'Host name inside the container' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s l -l label -d 'Attach a label' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cap-add -d 'Add a capability (NET_ADMIN, or ALL)' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cap-drop -d 'Drop a capability (CHOWN, or ALL)' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l entrypoint -d 'Program to run instead of the image\'s entrypoint: a word or a JSON list' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l stop-signal -d 'Signal that asks the container to end' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l stop-timeout -d 'Seconds between that signal and SIGKILL' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l cidfile -d 'Write the container\'s id to a file, which must not exist yet' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l pull -d 'When to fetch the image: missing or never (nothing is fetched so far)' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l platform -d 'Platform of the image; only this machine\'s own' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l rm -d 'Remove the container when it ends'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s i -l interactive -d 'Keep standard input open and pass it on'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s t -l tty -d 'Give the process a terminal'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s d -l detach -d 'Go to the background and print the container\'s id'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l read-only -d 'Make the container\'s root file system read-only'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -l sig-proxy -d 'Accepted and without effect: signals are always passed on'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from run" -s q -l quiet -d 'Accepted and without effect: there is no progress to hide'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stop" -s t -l time -d 'Seconds to wait before SIGKILL [default: the container\'s own, 10]' -r
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stop" -s a -l all -d 'Stop all running containers'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stop" -s i -l ignore -d 'Containers that do not exist are no error'
complete -c dhow -n "__fish_dhow_using_subcommand container; and __fish_seen_subcommand_from stop" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from build exists history import inspect ls list load prune rm remove save tag tree untag" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from build exists history import inspect ls list load prune rm remove save tag tree untag" -f -a "build" -d 'Build an image from a Dockerfile'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from build exists history import inspect ls list load prune rm remove save tag tree untag" -f -a "exists" -d 'Tell by the exit code whether an image exists'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from build exists history import inspect ls list load prune rm remove save tag tree untag" -f -a "history" -d 'Show how an image came to be'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from build exists history import inspect ls list load prune rm remove save tag tree untag" -f -a "import" -d 'Make an image of a root file system in a tar archive'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from build exists history import inspect ls list load prune rm remove save tag tree untag" -f -a "inspect" -d 'Show everything known of images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from build exists history import inspect ls list load prune rm remove save tag tree untag" -f -a "ls" -d 'List images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from build exists history import inspect ls list load prune rm remove save tag tree untag" -f -a "list" -d 'List images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from build exists history import inspect ls list load prune rm remove save tag tree untag" -f -a "load" -d 'Load images from an archive that save wrote'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from build exists history import inspect ls list load prune rm remove save tag tree untag" -f -a "prune" -d 'Remove images that nobody uses'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from build exists history import inspect ls list load prune rm remove save tag tree untag" -f -a "rm" -d 'Remove images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from build exists history import inspect ls list load prune rm remove save tag tree untag" -f -a "remove" -d 'Remove images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from build exists history import inspect ls list load prune rm remove save tag tree untag" -f -a "save" -d 'Write images to an archive'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from build exists history import inspect ls list load prune rm remove save tag tree untag" -f -a "tag" -d 'Give an image another name'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from build exists history import inspect ls list load prune rm remove save tag tree untag" -f -a "tree" -d 'Show the layers of an image as a tree'
complete -c dhow -n "__fish_dhow_using_subcommand image; and not __fish_seen_subcommand_from build exists history import inspect ls list load prune rm remove save tag tree untag" -f -a "untag" -d 'Take names away from an image'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -s t -l tag -d 'Name of the image; may be given several times' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -s f -l file -d 'The Dockerfile, or - for standard input [default: Containerfile or Dockerfile in the context]' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l build-arg -d 'Value of an ARG; without a value it is taken from the environment' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l build-context -d 'Another place to copy from: name=folder, name=URL, name=docker-image://image' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l ignorefile -d 'The file that says what is left out of the context' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l target -d 'Stage to build, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l no-cache-filter -d 'Do every step of these stages again, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l jobs -d 'How many RUN steps of different stages run at the same time; 0 for all [default: the processors, at least 4]' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l call -d 'What to do: build, check, or check,format=json' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l network -d 'The network: private (own addresses, connected to the outside), host, or none' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l secret -d 'A secret for RUN --mount=type=secret: id=NAME[,src=FILE|,env=NAME]' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l ssh -d 'An SSH agent for RUN --mount=type=ssh [default socket: $SSH_AUTH_SOCK]' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l allow -d 'Allow what a RUN asks for: security.insecure, network.host' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l add-host -d 'Add a name to /etc/hosts of every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l dns -d 'Name server of every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l shm-size -d 'Size of /dev/shm in every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l ulimit -d 'Resource limit of every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l cap-add -d 'Add a capability to every RUN (NET_ADMIN, or ALL)' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l cap-drop -d 'Drop a capability of every RUN (CHOWN, or ALL)' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l security-opt -d 'Security of every RUN: seccomp=unconfined, no-new-privileges' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l cgroup-parent -d 'Accepted and without effect: steps stay in the build\'s own cgroup' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -s o -l output -d 'Where the result goes: a folder for its files, - for a tar of them, or type=local|tar|oci|docker|image|cacheonly' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l metadata-file -d 'Write what was built to a file, as JSON' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l annotation -d 'Add a note to the image\'s manifest' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l timestamp -d 'Time of the image and of every file in its new layers, in seconds since 1970' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l source-date-epoch -d 'Time of the image, in seconds since 1970 [default: $SOURCE_DATE_EPOCH]' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l env -d 'Set a variable in the image, not for its steps; without a value it is taken from the environment' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l unsetenv -d 'Take a variable from the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l unsetlabel -d 'Take a label from the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l inherit-labels -d 'Whether labels of base images are inherited' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l from -d 'The image of the first FROM, in place of what the file says' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l provenance -d 'Accepted and without effect: no attestation is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l sbom -d 'Accepted and without effect: no attestation is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l attest -d 'Accepted and without effect: no attestation is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l builder -d 'Accepted and without effect: there is only one builder' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l iidfile -d 'Write the image\'s id to a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l label -d 'Attach a label to the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l platform -d 'Platform of the image; only this machine\'s own' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l pull -d 'Accepted and without effect: there is no registry to ask yet' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l progress -d 'Accepted and without effect: progress is always plain lines' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l format -d 'Accepted and without effect: an image has one form here; `save --format` chooses another' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l no-cache -d 'Do every step again'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l check -d 'Check the Dockerfile for likely mistakes and build nothing; exit code 1 if there are any'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l shell-on-fail -d 'Open a shell where a RUN fails; needs a terminal'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l squash -d 'Make one layer of those that the build adds to its base image'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l squash-all -d 'Make one layer of all'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l rewrite-timestamp -d 'No file in the new layers is younger than the time of the image'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l omit-history -d 'Leave the history out of the image'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l push -d 'Refused: there is no registry to push to yet'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -s q -l quiet -d 'Print nothing but the image\'s id'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l rm -d 'Accepted and without effect: intermediate containers do not exist'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l force-rm -d 'Accepted and without effect: intermediate containers do not exist'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l layers -d 'Accepted and without effect: every step is cached'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -l load -d 'Accepted and without effect: the image is always in the store'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from build" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from history" -l format -d 'Print json, or what a Go template says of each step' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from history" -s H -l human -d 'Print sizes and times for people; with =false, bytes and points in time' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from history" -l no-trunc -d 'Do not shorten ids and instructions'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from history" -s q -l quiet -d 'Print ids only'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from history" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from import" -s c -l change -d 'Apply a Dockerfile instruction to the image\'s configuration (CMD, ENV, …)' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from import" -s m -l message -d 'Message for the image\'s history' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Show no progress'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Print json, or what a Go template says of each object' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from inspect" -s s -l size -d 'Accepted and without effect: sizes of images are always shown'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Show only what matches: reference, dangling, label, label!, before, since, until, id, digest or containers, as KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -l format -d 'Print json, or what a Go template says of each image' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -l sort -d 'Order: created, repository, size or tag' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -s a -l all -d 'Accepted and without effect: all images are shown'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print ids only'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Do not shorten ids'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -l digests -d 'Show digests'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'Print no line of headings'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -s f -l filter -d 'Show only what matches: reference, dangling, label, label!, before, since, until, id, digest or containers, as KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -l format -d 'Print json, or what a Go template says of each image' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -l sort -d 'Order: created, repository, size or tag' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -s a -l all -d 'Accepted and without effect: all images are shown'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print ids only'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -l no-trunc -d 'Do not shorten ids'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -l digests -d 'Show digests'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -s n -l noheading -d 'Print no line of headings'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from load" -s i -l input -d 'The archive, or a folder: an OCI layout or a dir: of podman [default: standard input]' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from load" -s q -l quiet -d 'Show no progress'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from load" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from prune" -l filter -d 'Only what matches: dangling, until, label or label!, as KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove every image without a container, not only those without a name'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from prune" -l build-cache -d 'Remove the build cache, too'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from prune" -l external -d 'Accepted and without effect: nobody else\'s containers are in the store'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from prune" -l dry-run -d 'Show what would be removed, and remove nothing'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from rm" -s f -l force -d 'Remove it with all its names, and the containers made from it; a missing image is no error'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from rm" -s a -l all -d 'Remove all images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'Images that do not exist are no error'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from rm" -l no-prune -d 'Accepted and without effect: images have no parents here'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from remove" -s f -l force -d 'Remove it with all its names, and the containers made from it; a missing image is no error'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from remove" -s a -l all -d 'Remove all images'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from remove" -s i -l ignore -d 'Images that do not exist are no error'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from remove" -l no-prune -d 'Accepted and without effect: images have no parents here'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from save" -s o -l output -d 'The file to write, or the folder for the formats that are one [default: standard output]' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from save" -l format -d 'The form: docker-archive, oci-archive, oci-dir or docker-dir' -r
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from save" -s m -l multi-image-archive -d 'Accepted and without effect: several images always fit in one archive'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from save" -s q -l quiet -d 'Show no progress'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from save" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from tag" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from tree" -l whatrequires -d 'Show the images that stand on this one instead'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from tree" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand image; and __fish_seen_subcommand_from untag" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and not __fish_seen_subcommand_from build context prune" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and not __fish_seen_subcommand_from build context prune" -f -a "build" -d 'Build an image from a Dockerfile'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and not __fish_seen_subcommand_from build context prune" -f -a "context" -d 'List what of a folder a build can take, and which ignore line decides'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and not __fish_seen_subcommand_from build context prune" -f -a "prune" -d 'Remove the build cache'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -s t -l tag -d 'Name of the image; may be given several times' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -s f -l file -d 'The Dockerfile, or - for standard input [default: Containerfile or Dockerfile in the context]' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l build-arg -d 'Value of an ARG; without a value it is taken from the environment' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l build-context -d 'Another place to copy from: name=folder, name=URL, name=docker-image://image' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l ignorefile -d 'The file that says what is left out of the context' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l target -d 'Stage to build, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l no-cache-filter -d 'Do every step of these stages again, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l jobs -d 'How many RUN steps of different stages run at the same time; 0 for all [default: the processors, at least 4]' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l call -d 'What to do: build, check, or check,format=json' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l network -d 'The network: private (own addresses, connected to the outside), host, or none' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l secret -d 'A secret for RUN --mount=type=secret: id=NAME[,src=FILE|,env=NAME]' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l ssh -d 'An SSH agent for RUN --mount=type=ssh [default socket: $SSH_AUTH_SOCK]' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l allow -d 'Allow what a RUN asks for: security.insecure, network.host' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l add-host -d 'Add a name to /etc/hosts of every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l dns -d 'Name server of every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l shm-size -d 'Size of /dev/shm in every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l ulimit -d 'Resource limit of every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l cap-add -d 'Add a capability to every RUN (NET_ADMIN, or ALL)' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l cap-drop -d 'Drop a capability of every RUN (CHOWN, or ALL)' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l security-opt -d 'Security of every RUN: seccomp=unconfined, no-new-privileges' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l cgroup-parent -d 'Accepted and without effect: steps stay in the build\'s own cgroup' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -s o -l output -d 'Where the result goes: a folder for its files, - for a tar of them, or type=local|tar|oci|docker|image|cacheonly' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l metadata-file -d 'Write what was built to a file, as JSON' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l annotation -d 'Add a note to the image\'s manifest' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l timestamp -d 'Time of the image and of every file in its new layers, in seconds since 1970' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l source-date-epoch -d 'Time of the image, in seconds since 1970 [default: $SOURCE_DATE_EPOCH]' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l env -d 'Set a variable in the image, not for its steps; without a value it is taken from the environment' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l unsetenv -d 'Take a variable from the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l unsetlabel -d 'Take a label from the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l inherit-labels -d 'Whether labels of base images are inherited' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l from -d 'The image of the first FROM, in place of what the file says' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l provenance -d 'Accepted and without effect: no attestation is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l sbom -d 'Accepted and without effect: no attestation is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l attest -d 'Accepted and without effect: no attestation is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l builder -d 'Accepted and without effect: there is only one builder' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l iidfile -d 'Write the image\'s id to a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l label -d 'Attach a label to the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l platform -d 'Platform of the image; only this machine\'s own' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l pull -d 'Accepted and without effect: there is no registry to ask yet' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l progress -d 'Accepted and without effect: progress is always plain lines' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l format -d 'Accepted and without effect: an image has one form here; `save --format` chooses another' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l no-cache -d 'Do every step again'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l check -d 'Check the Dockerfile for likely mistakes and build nothing; exit code 1 if there are any'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l shell-on-fail -d 'Open a shell where a RUN fails; needs a terminal'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l squash -d 'Make one layer of those that the build adds to its base image'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l squash-all -d 'Make one layer of all'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l rewrite-timestamp -d 'No file in the new layers is younger than the time of the image'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l omit-history -d 'Leave the history out of the image'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l push -d 'Refused: there is no registry to push to yet'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -s q -l quiet -d 'Print nothing but the image\'s id'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l rm -d 'Accepted and without effect: intermediate containers do not exist'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l force-rm -d 'Accepted and without effect: intermediate containers do not exist'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l layers -d 'Accepted and without effect: every step is cached'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -l load -d 'Accepted and without effect: the image is always in the store'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from build" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from context" -s f -l file -d 'The Dockerfile; its own ignore file goes before the folder\'s' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from context" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from prune" -l filter -d 'Only steps that were last used before: until=24h' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from prune" -l keep-storage -d 'Keep so much of the cache, the latest used of it (20GB, 500MB)' -r
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from prune" -s a -l all -d 'Forget steps whose layers images have, too: the next build executes them again'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from prune" -l dry-run -d 'Show what would be removed, and remove nothing'
complete -c dhow -n "__fish_dhow_using_subcommand builder; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and not __fish_seen_subcommand_from build context prune" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and not __fish_seen_subcommand_from build context prune" -f -a "build" -d 'Build an image from a Dockerfile'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and not __fish_seen_subcommand_from build context prune" -f -a "context" -d 'List what of a folder a build can take, and which ignore line decides'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and not __fish_seen_subcommand_from build context prune" -f -a "prune" -d 'Remove the build cache'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -s t -l tag -d 'Name of the image; may be given several times' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -s f -l file -d 'The Dockerfile, or - for standard input [default: Containerfile or Dockerfile in the context]' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l build-arg -d 'Value of an ARG; without a value it is taken from the environment' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l build-context -d 'Another place to copy from: name=folder, name=URL, name=docker-image://image' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l ignorefile -d 'The file that says what is left out of the context' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l target -d 'Stage to build, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l no-cache-filter -d 'Do every step of these stages again, by name or number' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l jobs -d 'How many RUN steps of different stages run at the same time; 0 for all [default: the processors, at least 4]' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l call -d 'What to do: build, check, or check,format=json' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l network -d 'The network: private (own addresses, connected to the outside), host, or none' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l secret -d 'A secret for RUN --mount=type=secret: id=NAME[,src=FILE|,env=NAME]' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l ssh -d 'An SSH agent for RUN --mount=type=ssh [default socket: $SSH_AUTH_SOCK]' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l allow -d 'Allow what a RUN asks for: security.insecure, network.host' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l add-host -d 'Add a name to /etc/hosts of every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l dns -d 'Name server of every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l shm-size -d 'Size of /dev/shm in every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l ulimit -d 'Resource limit of every RUN' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l cap-add -d 'Add a capability to every RUN (NET_ADMIN, or ALL)' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l cap-drop -d 'Drop a capability of every RUN (CHOWN, or ALL)' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l security-opt -d 'Security of every RUN: seccomp=unconfined, no-new-privileges' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l cgroup-parent -d 'Accepted and without effect: steps stay in the build\'s own cgroup' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -s o -l output -d 'Where the result goes: a folder for its files, - for a tar of them, or type=local|tar|oci|docker|image|cacheonly' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l metadata-file -d 'Write what was built to a file, as JSON' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l annotation -d 'Add a note to the image\'s manifest' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l timestamp -d 'Time of the image and of every file in its new layers, in seconds since 1970' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l source-date-epoch -d 'Time of the image, in seconds since 1970 [default: $SOURCE_DATE_EPOCH]' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l env -d 'Set a variable in the image, not for its steps; without a value it is taken from the environment' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l unsetenv -d 'Take a variable from the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l unsetlabel -d 'Take a label from the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l inherit-labels -d 'Whether labels of base images are inherited' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l from -d 'The image of the first FROM, in place of what the file says' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l provenance -d 'Accepted and without effect: no attestation is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l sbom -d 'Accepted and without effect: no attestation is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l attest -d 'Accepted and without effect: no attestation is made' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l builder -d 'Accepted and without effect: there is only one builder' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l iidfile -d 'Write the image\'s id to a file' -r -F
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l label -d 'Attach a label to the image' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l platform -d 'Platform of the image; only this machine\'s own' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l pull -d 'Accepted and without effect: there is no registry to ask yet' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l progress -d 'Accepted and without effect: progress is always plain lines' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l format -d 'Accepted and without effect: an image has one form here; `save --format` chooses another' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l no-cache -d 'Do every step again'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l check -d 'Check the Dockerfile for likely mistakes and build nothing; exit code 1 if there are any'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l shell-on-fail -d 'Open a shell where a RUN fails; needs a terminal'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l squash -d 'Make one layer of those that the build adds to its base image'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l squash-all -d 'Make one layer of all'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l rewrite-timestamp -d 'No file in the new layers is younger than the time of the image'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l omit-history -d 'Leave the history out of the image'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l push -d 'Refused: there is no registry to push to yet'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -s q -l quiet -d 'Print nothing but the image\'s id'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l rm -d 'Accepted and without effect: intermediate containers do not exist'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l force-rm -d 'Accepted and without effect: intermediate containers do not exist'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l layers -d 'Accepted and without effect: every step is cached'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -l load -d 'Accepted and without effect: the image is always in the store'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from build" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from context" -s f -l file -d 'The Dockerfile; its own ignore file goes before the folder\'s' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from context" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from prune" -l filter -d 'Only steps that were last used before: until=24h' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from prune" -l keep-storage -d 'Keep so much of the cache, the latest used of it (20GB, 500MB)' -r
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from prune" -s a -l all -d 'Forget steps whose layers images have, too: the next build executes them again'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from prune" -l dry-run -d 'Show what would be removed, and remove nothing'
complete -c dhow -n "__fish_dhow_using_subcommand buildx; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand system; and not __fish_seen_subcommand_from check df info prune" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand system; and not __fish_seen_subcommand_from check df info prune" -f -a "check" -d 'Check the store for damage, and repair it'
complete -c dhow -n "__fish_dhow_using_subcommand system; and not __fish_seen_subcommand_from check df info prune" -f -a "df" -d 'Show where the store\'s room goes'
complete -c dhow -n "__fish_dhow_using_subcommand system; and not __fish_seen_subcommand_from check df info prune" -f -a "info" -d 'Show what dhow knows of this machine and its store'
complete -c dhow -n "__fish_dhow_using_subcommand system; and not __fish_seen_subcommand_from check df info prune" -f -a "prune" -d 'Remove everything that nothing uses'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from check" -l format -d 'Print json instead of a line for each finding' -r
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from check" -s m -l max -d 'Accepted from podman, to say what does its work here' -r
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from check" -s f -l force -d 'With --repair: remove damaged images, too, and the containers that were made from them'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from check" -s q -l quick -d 'Look at records only, not at the files in layers'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from check" -s r -l repair -d 'Mend what can be mended, and remove what is damaged and needed by nobody'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from df" -l format -d 'Print json, or what a Go template says of each line' -r
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from df" -s v -l verbose -d 'Show every image, container, volume and step of the build cache'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from df" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from info" -s f -l format -d 'Print json, or what a Go template says' -r
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from info" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from prune" -l filter -d 'Only what matches: until, label or label!, as KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove every image without a container and all build cache, not only what has no name or no image'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from prune" -l volumes -d 'Remove volumes that no container uses, too: anonymous ones, with --all every one'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from prune" -l build -d 'Accepted and without effect: the build cache is part of it'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from prune" -l external -d 'Accepted and without effect: nobody else\'s containers are in the store'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from prune" -l dry-run -d 'Show what would be removed, and remove nothing'
complete -c dhow -n "__fish_dhow_using_subcommand system; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -f -a "create" -d 'Make a volume'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -f -a "exists" -d 'Tell by the exit code whether a volume exists'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -f -a "inspect" -d 'Show what is known of volumes'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -f -a "ls" -d 'List volumes'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -f -a "list" -d 'List volumes'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -f -a "prune" -d 'Remove volumes that no container uses'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -f -a "rm" -d 'Remove volumes'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and not __fish_seen_subcommand_from create exists inspect ls list prune rm remove" -f -a "remove" -d 'Remove volumes'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from create" -l ignore -d 'A volume that is there already is no error'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Print what a Go template says of each volume' -r
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Show only what matches: name or dangling, as KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from ls" -l format -d 'Print json, or what a Go template says of each volume' -r
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print names only'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'Print no line of headings'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from list" -s f -l filter -d 'Show only what matches: name or dangling, as KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from list" -l format -d 'Print json, or what a Go template says of each volume' -r
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print names only'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from list" -s n -l noheading -d 'Print no line of headings'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from prune" -l filter -d 'Only what matches: label or label!, as KEY=VALUE' -r
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove volumes with names, too, not only anonymous ones'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from prune" -l dry-run -d 'Show what would be removed, and remove nothing'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from rm" -s f -l force -d 'Remove the containers that use it, too; a volume that does not exist is no error'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from rm" -s a -l all -d 'Remove all volumes'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from remove" -s f -l force -d 'Remove the containers that use it, too; a volume that does not exist is no error'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from remove" -s a -l all -d 'Remove all volumes'
complete -c dhow -n "__fish_dhow_using_subcommand volume; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand generate; and not __fish_seen_subcommand_from man completions" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand generate; and not __fish_seen_subcommand_from man completions" -f -a "man" -d 'Write the man pages'
complete -c dhow -n "__fish_dhow_using_subcommand generate; and not __fish_seen_subcommand_from man completions" -f -a "completions" -d 'Write completions for bash, zsh and fish'
complete -c dhow -n "__fish_dhow_using_subcommand generate; and __fish_seen_subcommand_from man" -s h -l help -d 'Print help'
complete -c dhow -n "__fish_dhow_using_subcommand generate; and __fish_seen_subcommand_from completions" -s h -l help -d 'Print help'
