# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_nixci_global_optspecs
    string join \n h/help V/version
end

function __fish_nixci_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_nixci_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_nixci_using_subcommand
    set -l cmd (__fish_nixci_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c nixci -n "__fish_nixci_needs_command" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_needs_command" -s V -l version -d 'Print version'
complete -c nixci -n "__fish_nixci_needs_command" -f -a "check" -d 'Evaluate the checks of a flake and build them'
complete -c nixci -n "__fish_nixci_needs_command" -f -a "eval" -d 'Print what `check` would build, without building'
complete -c nixci -n "__fish_nixci_needs_command" -f -a "config" -d 'Show what `check` would work with, and where each value comes from'
complete -c nixci -n "__fish_nixci_needs_command" -f -a "log" -d 'Show the log of a check of the last run'
complete -c nixci -n "__fish_nixci_needs_command" -f -a "history" -d 'Show earlier runs, or how a check did in them'
complete -c nixci -n "__fish_nixci_needs_command" -f -a "diff" -d 'Compare the checks with those of another commit, without building'
complete -c nixci -n "__fish_nixci_needs_command" -f -a "why" -d 'Tell what would be built for a check, and why'
complete -c nixci -n "__fish_nixci_needs_command" -f -a "serve" -d 'Serve the webhooks of forges: build what is pushed, and post commit statuses'
complete -c nixci -n "__fish_nixci_needs_command" -f -a "ctl" -d 'Look at a server of this program, and give it orders'
complete -c nixci -n "__fish_nixci_needs_command" -f -a "init" -d 'Write a commented nixci.toml, and with --ci what makes a CI run `nixci check`'
complete -c nixci -n "__fish_nixci_needs_command" -f -a "generate" -d 'Write shell completions and man pages below a folder'
complete -c nixci -n "__fish_nixci_needs_command" -f -a "walls" -d 'Run a program behind walls of Landlock: it may do what is named, and nothing else'
complete -c nixci -n "__fish_nixci_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c nixci -n "__fish_nixci_using_subcommand check" -s A -l attribute -d 'Look at this attribute of the flake or the file, too' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l exclude -d 'Leave out the checks that this pattern chooses' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l select -d 'Look at what this Nix function makes of the attribute' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l apply -d 'Tell with each check the set that this Nix function makes of its derivation' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -s f -l file -d 'Evaluate a file and not a flake, impurely' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand check" -l arg -d 'With --file: the value of an argument of functions, as an expression' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l argstr -d 'With --file: the value of an argument of functions, as a string' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -s I -l include -d 'With --file: add an entry to the search path of `<…>`' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l systems -d 'The systems to look at, separated by commas [default: those this machine has a builder for]' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l evaluator -d 'Who evaluates: `auto` is nix-eval-jobs if it is there and fits, else the built-in one, which needs only `nix`' -r -f -a "auto\t'nix-eval-jobs if it is there and fits, else the built-in one'
nix-eval-jobs\t'The program nix-eval-jobs'
builtin\t'The built-in one'"
complete -c nixci -n "__fish_nixci_using_subcommand check" -l eval-workers -d 'How many workers evaluate at once [default: the number of cores, fewer where memory is short]' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l eval-memory -d 'The memory for all workers together, such as 4G or 800M [default: three quarters of what is free]' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l option -d 'Set a setting of Nix, for the evaluation and the builds' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l override-input -d 'Take another flake for an input' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l reference-lock-file -d 'Take another file for flake.lock' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand check" -s j -l jobs -d 'How many builds run on this machine at once [default: Nix\'s max-jobs if it is set, else the number of cores]' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l timeout -d 'Stop a build that takes longer than this: a number of seconds, or a duration such as 10m' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l max-silent-time -d 'Stop a build that writes nothing to its log for this long' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l store -d 'Evaluate here and build in this store: `ssh-ng://HOST` for another machine, which needs nothing but Nix, `local?root=DIR`, or the socket of a daemon, `unix://SOCKET`' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l remote -d 'Evaluate and build on another machine that has nixci, and show it here: HOST as ssh takes it' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l remote-nixci -d 'With --remote: the program there' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l copy-to -d 'Copy the outputs of passed checks to this store while the builds go on: any URL Nix takes, such as `s3://BUCKET`, `file:///DIR` or `ssh-ng://HOST`; may be repeated' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l cachix -d 'Push them to a cache of Cachix, with the program cachix; may be repeated' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l attic -d 'Push them to a cache of an Attic server, with the program attic; may be repeated' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l niks3 -d 'Push them to a niks3 server, with the program niks3; may be repeated' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l out-link -d 'Link the outputs of every passed check as PREFIX-CHECK, and PREFIX-CHECK^OUTPUT for others than `out`; what is linked is downloaded and not collected as garbage' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand check" -l gc-root -d 'Link them in this folder, as CHECK and CHECK^OUTPUT' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand check" -l out-paths -d 'Write the outputs of every passed check to this file, a path a line' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand check" -l format -d 'How the run is shown [default: `matrix` on a terminal, elsewhere what the CI understands, or `plain`]' -r -f -a "auto\t'`matrix` on a terminal; elsewhere what the CI understands, or `plain`'
matrix\t'A live table of checks and systems'
plain\t'A line per event that matters'
json\t'A JSON object per event'
github\t'As `plain`, with folded logs and annotations for GitHub, Gitea and Forgejo Actions'
gitlab\t'As `plain`, with folded logs for GitLab'"
complete -c nixci -n "__fish_nixci_using_subcommand check" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set; elsewhere only if `CLICOLOR_FORCE` is'
always\t'Always'
never\t'Never'"
complete -c nixci -n "__fish_nixci_using_subcommand check" -l log-lines -d 'How many of the last lines of a failed build\'s log are shown' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l junit -d 'Write the checks and their failures as JUnit XML to a file, `-` being standard output' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand check" -l json -d 'Write the events of the run to a file as they come, a JSON object a line, as `--format json` prints them' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand check" -l markdown -d 'Write the outcome, the failures and the slowest checks as Markdown to a file' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand check" -l stall-timeout -d 'Show the last lines of a build that has been silent for this many seconds; 0: never' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l report -d 'Post commit statuses to the forge whose CI this runs in, with the job\'s token' -r -f -a "github\t'GitHub, with `GITHUB_TOKEN`'
gitea\t'Gitea or Forgejo, with `GITEA_TOKEN`, `FORGEJO_TOKEN` or `GITHUB_TOKEN`'
gitlab\t'GitLab, with `GITLAB_TOKEN`'"
complete -c nixci -n "__fish_nixci_using_subcommand check" -l report-as -d 'What the names of the commit statuses begin with' -r
complete -c nixci -n "__fish_nixci_using_subcommand check" -l no-config -d 'Read neither nixci.toml nor buildbot-nix.toml'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l all-systems -d 'Look at every system'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l no-eval-cache -d 'Evaluate anew, and keep nothing'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l impure -d 'Let the evaluation see what is not in the flake: variables, files, the time'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l accept-flake-config -d 'Take over the settings of Nix that the flake wishes for'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l show-trace -d 'Show the whole trace of an evaluation error'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l flake-check -d 'Look at all outputs of the flake as `nix flake check` does, too'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l failed -d 'Look only at the checks that failed the last time'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l no-history -d 'Record nothing of this run, keep no logs, and use nothing of earlier ones'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l watch -d 'Run again whenever the flake\'s tree changes'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l fail-fast -d 'Stop at the first failure, and stop what runs'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l no-build -d 'Evaluate and plan only; what would be built is `skipped`'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l download -d 'Download what a substituter offers, even if nothing here needs it'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l take-orders -d 'Take orders from standard input and tell everything: how `--remote` runs nixci on the other machine'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l upload -d 'Send the outputs of passed checks where `[upload]` in nixci.toml says, too: only for a tree you trust, since your passwords and keys go along'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l push-closure -d 'Push what was built on the way to a check, too'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l no-keys -d 'Leave what is typed during the run to the shell: the matrix takes no keys'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l log -d 'With `--format json`: events with the lines of every build\'s log, too'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l no-step-summary -d 'In a CI that shows summaries of steps: write none'
complete -c nixci -n "__fish_nixci_using_subcommand check" -l no-fold -d 'In the log of a CI: write the logs of builds open, not folded'
complete -c nixci -n "__fish_nixci_using_subcommand check" -s v -l verbose -d 'Show more: passed builds, phases and the lines of logs'
complete -c nixci -n "__fish_nixci_using_subcommand check" -s q -l quiet -d 'Show less: failures and the end'
complete -c nixci -n "__fish_nixci_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c nixci -n "__fish_nixci_using_subcommand eval" -s A -l attribute -d 'Look at this attribute of the flake or the file, too' -r
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l exclude -d 'Leave out the checks that this pattern chooses' -r
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l select -d 'Look at what this Nix function makes of the attribute' -r
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l apply -d 'Tell with each check the set that this Nix function makes of its derivation' -r
complete -c nixci -n "__fish_nixci_using_subcommand eval" -s f -l file -d 'Evaluate a file and not a flake, impurely' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l arg -d 'With --file: the value of an argument of functions, as an expression' -r
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l argstr -d 'With --file: the value of an argument of functions, as a string' -r
complete -c nixci -n "__fish_nixci_using_subcommand eval" -s I -l include -d 'With --file: add an entry to the search path of `<…>`' -r
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l systems -d 'The systems to look at, separated by commas [default: those this machine has a builder for]' -r
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l evaluator -d 'Who evaluates: `auto` is nix-eval-jobs if it is there and fits, else the built-in one, which needs only `nix`' -r -f -a "auto\t'nix-eval-jobs if it is there and fits, else the built-in one'
nix-eval-jobs\t'The program nix-eval-jobs'
builtin\t'The built-in one'"
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l eval-workers -d 'How many workers evaluate at once [default: the number of cores, fewer where memory is short]' -r
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l eval-memory -d 'The memory for all workers together, such as 4G or 800M [default: three quarters of what is free]' -r
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l option -d 'Set a setting of Nix, for the evaluation and the builds' -r
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l override-input -d 'Take another flake for an input' -r
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l reference-lock-file -d 'Take another file for flake.lock' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l format -d 'How the checks are printed' -r -f -a "table\t'A table'
json\t'A JSON object per check'
github-matrix\t'A matrix for GitHub, Gitea and Forgejo Actions'
gitlab-child-pipeline\t'A child pipeline for GitLab'"
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l by -d 'For a CI: what a job is made of' -r -f -a "check\t'A job for each check'
system\t'A job for each system'"
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set; elsewhere only if `CLICOLOR_FORCE` is'
always\t'Always'
never\t'Never'"
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l no-config -d 'Read neither nixci.toml nor buildbot-nix.toml'
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l all-systems -d 'Look at every system'
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l no-eval-cache -d 'Evaluate anew, and keep nothing'
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l impure -d 'Let the evaluation see what is not in the flake: variables, files, the time'
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l accept-flake-config -d 'Take over the settings of Nix that the flake wishes for'
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l show-trace -d 'Show the whole trace of an evaluation error'
complete -c nixci -n "__fish_nixci_using_subcommand eval" -l uncached -d 'Leave out checks that need no build'
complete -c nixci -n "__fish_nixci_using_subcommand eval" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c nixci -n "__fish_nixci_using_subcommand config" -s A -l attribute -d 'Look at this attribute of the flake or the file, too' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l exclude -d 'Leave out the checks that this pattern chooses' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l select -d 'Look at what this Nix function makes of the attribute' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l apply -d 'Tell with each check the set that this Nix function makes of its derivation' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -s f -l file -d 'Evaluate a file and not a flake, impurely' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand config" -l arg -d 'With --file: the value of an argument of functions, as an expression' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l argstr -d 'With --file: the value of an argument of functions, as a string' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -s I -l include -d 'With --file: add an entry to the search path of `<…>`' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l systems -d 'The systems to look at, separated by commas [default: those this machine has a builder for]' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l evaluator -d 'Who evaluates: `auto` is nix-eval-jobs if it is there and fits, else the built-in one, which needs only `nix`' -r -f -a "auto\t'nix-eval-jobs if it is there and fits, else the built-in one'
nix-eval-jobs\t'The program nix-eval-jobs'
builtin\t'The built-in one'"
complete -c nixci -n "__fish_nixci_using_subcommand config" -l eval-workers -d 'How many workers evaluate at once [default: the number of cores, fewer where memory is short]' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l eval-memory -d 'The memory for all workers together, such as 4G or 800M [default: three quarters of what is free]' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l option -d 'Set a setting of Nix, for the evaluation and the builds' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l override-input -d 'Take another flake for an input' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l reference-lock-file -d 'Take another file for flake.lock' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand config" -s j -l jobs -d 'How many builds run on this machine at once [default: Nix\'s max-jobs if it is set, else the number of cores]' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l timeout -d 'Stop a build that takes longer than this: a number of seconds, or a duration such as 10m' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l max-silent-time -d 'Stop a build that writes nothing to its log for this long' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l store -d 'Evaluate here and build in this store: `ssh-ng://HOST` for another machine, which needs nothing but Nix, `local?root=DIR`, or the socket of a daemon, `unix://SOCKET`' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l remote -d 'Evaluate and build on another machine that has nixci, and show it here: HOST as ssh takes it' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l remote-nixci -d 'With --remote: the program there' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l copy-to -d 'Copy the outputs of passed checks to this store while the builds go on: any URL Nix takes, such as `s3://BUCKET`, `file:///DIR` or `ssh-ng://HOST`; may be repeated' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l cachix -d 'Push them to a cache of Cachix, with the program cachix; may be repeated' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l attic -d 'Push them to a cache of an Attic server, with the program attic; may be repeated' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l niks3 -d 'Push them to a niks3 server, with the program niks3; may be repeated' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l out-link -d 'Link the outputs of every passed check as PREFIX-CHECK, and PREFIX-CHECK^OUTPUT for others than `out`; what is linked is downloaded and not collected as garbage' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand config" -l gc-root -d 'Link them in this folder, as CHECK and CHECK^OUTPUT' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand config" -l out-paths -d 'Write the outputs of every passed check to this file, a path a line' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand config" -l format -d 'How the run is shown [default: `matrix` on a terminal, elsewhere what the CI understands, or `plain`]' -r -f -a "auto\t'`matrix` on a terminal; elsewhere what the CI understands, or `plain`'
matrix\t'A live table of checks and systems'
plain\t'A line per event that matters'
json\t'A JSON object per event'
github\t'As `plain`, with folded logs and annotations for GitHub, Gitea and Forgejo Actions'
gitlab\t'As `plain`, with folded logs for GitLab'"
complete -c nixci -n "__fish_nixci_using_subcommand config" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set; elsewhere only if `CLICOLOR_FORCE` is'
always\t'Always'
never\t'Never'"
complete -c nixci -n "__fish_nixci_using_subcommand config" -l log-lines -d 'How many of the last lines of a failed build\'s log are shown' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l junit -d 'Write the checks and their failures as JUnit XML to a file, `-` being standard output' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand config" -l json -d 'Write the events of the run to a file as they come, a JSON object a line, as `--format json` prints them' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand config" -l markdown -d 'Write the outcome, the failures and the slowest checks as Markdown to a file' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand config" -l stall-timeout -d 'Show the last lines of a build that has been silent for this many seconds; 0: never' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l report -d 'Post commit statuses to the forge whose CI this runs in, with the job\'s token' -r -f -a "github\t'GitHub, with `GITHUB_TOKEN`'
gitea\t'Gitea or Forgejo, with `GITEA_TOKEN`, `FORGEJO_TOKEN` or `GITHUB_TOKEN`'
gitlab\t'GitLab, with `GITLAB_TOKEN`'"
complete -c nixci -n "__fish_nixci_using_subcommand config" -l report-as -d 'What the names of the commit statuses begin with' -r
complete -c nixci -n "__fish_nixci_using_subcommand config" -l no-config -d 'Read neither nixci.toml nor buildbot-nix.toml'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l all-systems -d 'Look at every system'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l no-eval-cache -d 'Evaluate anew, and keep nothing'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l impure -d 'Let the evaluation see what is not in the flake: variables, files, the time'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l accept-flake-config -d 'Take over the settings of Nix that the flake wishes for'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l show-trace -d 'Show the whole trace of an evaluation error'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l flake-check -d 'Look at all outputs of the flake as `nix flake check` does, too'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l failed -d 'Look only at the checks that failed the last time'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l no-history -d 'Record nothing of this run, keep no logs, and use nothing of earlier ones'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l watch -d 'Run again whenever the flake\'s tree changes'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l fail-fast -d 'Stop at the first failure, and stop what runs'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l no-build -d 'Evaluate and plan only; what would be built is `skipped`'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l download -d 'Download what a substituter offers, even if nothing here needs it'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l take-orders -d 'Take orders from standard input and tell everything: how `--remote` runs nixci on the other machine'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l upload -d 'Send the outputs of passed checks where `[upload]` in nixci.toml says, too: only for a tree you trust, since your passwords and keys go along'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l push-closure -d 'Push what was built on the way to a check, too'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l no-keys -d 'Leave what is typed during the run to the shell: the matrix takes no keys'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l log -d 'With `--format json`: events with the lines of every build\'s log, too'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l no-step-summary -d 'In a CI that shows summaries of steps: write none'
complete -c nixci -n "__fish_nixci_using_subcommand config" -l no-fold -d 'In the log of a CI: write the logs of builds open, not folded'
complete -c nixci -n "__fish_nixci_using_subcommand config" -s v -l verbose -d 'Show more: passed builds, phases and the lines of logs'
complete -c nixci -n "__fish_nixci_using_subcommand config" -s q -l quiet -d 'Show less: failures and the end'
complete -c nixci -n "__fish_nixci_using_subcommand config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c nixci -n "__fish_nixci_using_subcommand log" -l flake -d 'The flake whose check it is' -r
complete -c nixci -n "__fish_nixci_using_subcommand log" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set; elsewhere only if `CLICOLOR_FORCE` is'
always\t'Always'
never\t'Never'"
complete -c nixci -n "__fish_nixci_using_subcommand log" -s f -l follow -d 'Go on as the build of a run in another terminal does'
complete -c nixci -n "__fish_nixci_using_subcommand log" -l raw -d 'Write the bytes as the builder wrote them, escape sequences included'
complete -c nixci -n "__fish_nixci_using_subcommand log" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c nixci -n "__fish_nixci_using_subcommand history" -l flake -d 'The flake whose runs they are' -r
complete -c nixci -n "__fish_nixci_using_subcommand history" -s n -l limit -d 'How many runs are shown at most' -r
complete -c nixci -n "__fish_nixci_using_subcommand history" -l format -d 'How the runs are printed' -r -f -a "table\t'A table'
json\t'A JSON object per run'"
complete -c nixci -n "__fish_nixci_using_subcommand history" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set; elsewhere only if `CLICOLOR_FORCE` is'
always\t'Always'
never\t'Never'"
complete -c nixci -n "__fish_nixci_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c nixci -n "__fish_nixci_using_subcommand diff" -s A -l attribute -d 'Look at this attribute of the flake or the file, too' -r
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l exclude -d 'Leave out the checks that this pattern chooses' -r
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l select -d 'Look at what this Nix function makes of the attribute' -r
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l apply -d 'Tell with each check the set that this Nix function makes of its derivation' -r
complete -c nixci -n "__fish_nixci_using_subcommand diff" -s f -l file -d 'Evaluate a file and not a flake, impurely' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l arg -d 'With --file: the value of an argument of functions, as an expression' -r
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l argstr -d 'With --file: the value of an argument of functions, as a string' -r
complete -c nixci -n "__fish_nixci_using_subcommand diff" -s I -l include -d 'With --file: add an entry to the search path of `<…>`' -r
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l systems -d 'The systems to look at, separated by commas [default: those this machine has a builder for]' -r
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l evaluator -d 'Who evaluates: `auto` is nix-eval-jobs if it is there and fits, else the built-in one, which needs only `nix`' -r -f -a "auto\t'nix-eval-jobs if it is there and fits, else the built-in one'
nix-eval-jobs\t'The program nix-eval-jobs'
builtin\t'The built-in one'"
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l eval-workers -d 'How many workers evaluate at once [default: the number of cores, fewer where memory is short]' -r
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l eval-memory -d 'The memory for all workers together, such as 4G or 800M [default: three quarters of what is free]' -r
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l option -d 'Set a setting of Nix, for the evaluation and the builds' -r
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l override-input -d 'Take another flake for an input' -r
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l reference-lock-file -d 'Take another file for flake.lock' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l format -d 'How the differences are printed' -r -f -a "table\t'A line per difference, and their numbers'
json\t'A JSON object per difference'"
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set; elsewhere only if `CLICOLOR_FORCE` is'
always\t'Always'
never\t'Never'"
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l no-config -d 'Read neither nixci.toml nor buildbot-nix.toml'
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l all-systems -d 'Look at every system'
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l no-eval-cache -d 'Evaluate anew, and keep nothing'
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l impure -d 'Let the evaluation see what is not in the flake: variables, files, the time'
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l accept-flake-config -d 'Take over the settings of Nix that the flake wishes for'
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l show-trace -d 'Show the whole trace of an evaluation error'
complete -c nixci -n "__fish_nixci_using_subcommand diff" -l exit-code -d 'Exit with 1 if anything differs'
complete -c nixci -n "__fish_nixci_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c nixci -n "__fish_nixci_using_subcommand why" -s A -l attribute -d 'Look at this attribute of the flake or the file, too' -r
complete -c nixci -n "__fish_nixci_using_subcommand why" -l exclude -d 'Leave out the checks that this pattern chooses' -r
complete -c nixci -n "__fish_nixci_using_subcommand why" -l select -d 'Look at what this Nix function makes of the attribute' -r
complete -c nixci -n "__fish_nixci_using_subcommand why" -l apply -d 'Tell with each check the set that this Nix function makes of its derivation' -r
complete -c nixci -n "__fish_nixci_using_subcommand why" -s f -l file -d 'Evaluate a file and not a flake, impurely' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand why" -l arg -d 'With --file: the value of an argument of functions, as an expression' -r
complete -c nixci -n "__fish_nixci_using_subcommand why" -l argstr -d 'With --file: the value of an argument of functions, as a string' -r
complete -c nixci -n "__fish_nixci_using_subcommand why" -s I -l include -d 'With --file: add an entry to the search path of `<…>`' -r
complete -c nixci -n "__fish_nixci_using_subcommand why" -l systems -d 'The systems to look at, separated by commas [default: those this machine has a builder for]' -r
complete -c nixci -n "__fish_nixci_using_subcommand why" -l evaluator -d 'Who evaluates: `auto` is nix-eval-jobs if it is there and fits, else the built-in one, which needs only `nix`' -r -f -a "auto\t'nix-eval-jobs if it is there and fits, else the built-in one'
nix-eval-jobs\t'The program nix-eval-jobs'
builtin\t'The built-in one'"
complete -c nixci -n "__fish_nixci_using_subcommand why" -l eval-workers -d 'How many workers evaluate at once [default: the number of cores, fewer where memory is short]' -r
complete -c nixci -n "__fish_nixci_using_subcommand why" -l eval-memory -d 'The memory for all workers together, such as 4G or 800M [default: three quarters of what is free]' -r
complete -c nixci -n "__fish_nixci_using_subcommand why" -l option -d 'Set a setting of Nix, for the evaluation and the builds' -r
complete -c nixci -n "__fish_nixci_using_subcommand why" -l override-input -d 'Take another flake for an input' -r
complete -c nixci -n "__fish_nixci_using_subcommand why" -l reference-lock-file -d 'Take another file for flake.lock' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand why" -l no-config -d 'Read neither nixci.toml nor buildbot-nix.toml'
complete -c nixci -n "__fish_nixci_using_subcommand why" -l all-systems -d 'Look at every system'
complete -c nixci -n "__fish_nixci_using_subcommand why" -l no-eval-cache -d 'Evaluate anew, and keep nothing'
complete -c nixci -n "__fish_nixci_using_subcommand why" -l impure -d 'Let the evaluation see what is not in the flake: variables, files, the time'
complete -c nixci -n "__fish_nixci_using_subcommand why" -l accept-flake-config -d 'Take over the settings of Nix that the flake wishes for'
complete -c nixci -n "__fish_nixci_using_subcommand why" -l show-trace -d 'Show the whole trace of an evaluation error'
complete -c nixci -n "__fish_nixci_using_subcommand why" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c nixci -n "__fish_nixci_using_subcommand serve" -s c -l config -d 'The server\'s settings' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand serve" -l log -d 'What to say, as `tracing` filters: `info`, `debug`, `nixci::server::publish=debug`' -r
complete -c nixci -n "__fish_nixci_using_subcommand serve" -l backup -d 'Copy the database, which a server may use meanwhile, to a new file, and end' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand serve" -l init -d 'Ask a few questions, write the file of settings with the secrets that it needs, and end'
complete -c nixci -n "__fish_nixci_using_subcommand serve" -l check -d 'Look whether all that a server needs is there, say what is right and wrong, and end'
complete -c nixci -n "__fish_nixci_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "run" -d 'Build a branch, tag or commit of a repository'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "list" -d 'The newest runs'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "show" -d 'A run with its checks'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "watch" -d 'Show a run as `nixci check` does, until it is over; ends with its exit code'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "log" -d 'The log of a check of a run'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "cancel" -d 'End a run'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "rebuild" -d 'Build the commit of a run once more, and what failed in it'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "approve" -d 'Let a stranger\'s pull request be built: this very commit'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "pause" -d 'Let the runs of a repository wait'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "resume" -d 'Let them go on'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "repositories" -d 'The repositories that are built, and what is wrong with them'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "schedules" -d 'What is built because it is time, and when next'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "forget" -d 'Forget that derivations failed, so that they are built again; all of them if none is named'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "sweep" -d 'Look at the forges for repositories and commits that no webhook told of'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "audit" -d 'Who gave which orders, the newest first'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "reload" -d 'Read the server\'s settings anew, without a restart'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "doctor" -d 'What is right and wrong with the server'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and not __fish_seen_subcommand_from run list show watch log cancel rebuild approve pause resume repositories schedules forget sweep audit reload doctor help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from run" -l reason -d 'Why, for whoever looks at the run' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from run" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from run" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from run" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from run" -l watch -d 'Show the run until it is over'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from run" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from run" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from list" -s n -l limit -d 'How many' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from list" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from list" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from list" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from list" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from show" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from show" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from show" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from show" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from watch" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from watch" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from watch" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from watch" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from watch" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from log" -l post-build -d 'Of this post-build step, and not of the build' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from log" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from log" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from log" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from log" -s f -l follow -d 'Go on until the run is over'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from log" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from log" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from cancel" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from cancel" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from cancel" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from cancel" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from cancel" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from rebuild" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from rebuild" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from rebuild" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from rebuild" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from rebuild" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from approve" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from approve" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from approve" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from approve" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from approve" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from pause" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from pause" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from pause" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from pause" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from pause" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from resume" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from resume" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from resume" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from resume" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from resume" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from repositories" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from repositories" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from repositories" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from repositories" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from repositories" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from schedules" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from schedules" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from schedules" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from schedules" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from schedules" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from forget" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from forget" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from forget" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from forget" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from forget" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from sweep" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from sweep" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from sweep" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from sweep" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from sweep" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from audit" -s n -l limit -d 'How many' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from audit" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from audit" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from audit" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from audit" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from audit" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from reload" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from reload" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from reload" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from reload" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from reload" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from doctor" -l socket -d 'The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from doctor" -l url -d 'A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]' -r
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from doctor" -l token-file -d 'The file with a token of the server\'s `ctl_token_file`' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from doctor" -l json -d 'Print what the server answers, as JSON'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from doctor" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "run" -d 'Build a branch, tag or commit of a repository'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "list" -d 'The newest runs'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "show" -d 'A run with its checks'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "watch" -d 'Show a run as `nixci check` does, until it is over; ends with its exit code'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "log" -d 'The log of a check of a run'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "cancel" -d 'End a run'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "rebuild" -d 'Build the commit of a run once more, and what failed in it'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "approve" -d 'Let a stranger\'s pull request be built: this very commit'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "pause" -d 'Let the runs of a repository wait'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "resume" -d 'Let them go on'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "repositories" -d 'The repositories that are built, and what is wrong with them'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "schedules" -d 'What is built because it is time, and when next'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "forget" -d 'Forget that derivations failed, so that they are built again; all of them if none is named'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "sweep" -d 'Look at the forges for repositories and commits that no webhook told of'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "audit" -d 'Who gave which orders, the newest first'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "reload" -d 'Read the server\'s settings anew, without a restart'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "doctor" -d 'What is right and wrong with the server'
complete -c nixci -n "__fish_nixci_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c nixci -n "__fish_nixci_using_subcommand init" -l ci -d 'Write what makes this CI run `nixci check`, too' -r -f -a "github\t'GitHub Actions'
gitlab\t'GitLab CI/CD'
gitea\t'Gitea Actions'
forgejo\t'Forgejo Actions'"
complete -c nixci -n "__fish_nixci_using_subcommand init" -l nixci -d 'The flake that the CI takes nixci from' -r
complete -c nixci -n "__fish_nixci_using_subcommand init" -l force -d 'Overwrite what is there'
complete -c nixci -n "__fish_nixci_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c nixci -n "__fish_nixci_using_subcommand generate" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand walls" -l execute -d 'A program or a folder of programs that may be read and run' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand walls" -l read -d 'A file or folder that may be read' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand walls" -l write -d 'A file or folder that may be read and changed' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand walls" -l port -d 'Let it connect to this TCP port' -r
complete -c nixci -n "__fish_nixci_using_subcommand walls" -l parent -d 'End with the process of this number, which has started it' -r
complete -c nixci -n "__fish_nixci_using_subcommand walls" -l cgroup -d 'The control group to go into first' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand walls" -l dir -d 'The folder to be in' -r -F
complete -c nixci -n "__fish_nixci_using_subcommand walls" -l network -d 'Let it connect to TCP ports'
complete -c nixci -n "__fish_nixci_using_subcommand walls" -l only-network -d 'Keep nothing but the network from it'
complete -c nixci -n "__fish_nixci_using_subcommand walls" -s h -l help -d 'Print help'
complete -c nixci -n "__fish_nixci_using_subcommand help; and not __fish_seen_subcommand_from check eval config log history diff why serve ctl init generate walls help" -f -a "check" -d 'Evaluate the checks of a flake and build them'
complete -c nixci -n "__fish_nixci_using_subcommand help; and not __fish_seen_subcommand_from check eval config log history diff why serve ctl init generate walls help" -f -a "eval" -d 'Print what `check` would build, without building'
complete -c nixci -n "__fish_nixci_using_subcommand help; and not __fish_seen_subcommand_from check eval config log history diff why serve ctl init generate walls help" -f -a "config" -d 'Show what `check` would work with, and where each value comes from'
complete -c nixci -n "__fish_nixci_using_subcommand help; and not __fish_seen_subcommand_from check eval config log history diff why serve ctl init generate walls help" -f -a "log" -d 'Show the log of a check of the last run'
complete -c nixci -n "__fish_nixci_using_subcommand help; and not __fish_seen_subcommand_from check eval config log history diff why serve ctl init generate walls help" -f -a "history" -d 'Show earlier runs, or how a check did in them'
complete -c nixci -n "__fish_nixci_using_subcommand help; and not __fish_seen_subcommand_from check eval config log history diff why serve ctl init generate walls help" -f -a "diff" -d 'Compare the checks with those of another commit, without building'
complete -c nixci -n "__fish_nixci_using_subcommand help; and not __fish_seen_subcommand_from check eval config log history diff why serve ctl init generate walls help" -f -a "why" -d 'Tell what would be built for a check, and why'
complete -c nixci -n "__fish_nixci_using_subcommand help; and not __fish_seen_subcommand_from check eval config log history diff why serve ctl init generate walls help" -f -a "serve" -d 'Serve the webhooks of forges: build what is pushed, and post commit statuses'
complete -c nixci -n "__fish_nixci_using_subcommand help; and not __fish_seen_subcommand_from check eval config log history diff why serve ctl init generate walls help" -f -a "ctl" -d 'Look at a server of this program, and give it orders'
complete -c nixci -n "__fish_nixci_using_subcommand help; and not __fish_seen_subcommand_from check eval config log history diff why serve ctl init generate walls help" -f -a "init" -d 'Write a commented nixci.toml, and with --ci what makes a CI run `nixci check`'
complete -c nixci -n "__fish_nixci_using_subcommand help; and not __fish_seen_subcommand_from check eval config log history diff why serve ctl init generate walls help" -f -a "generate" -d 'Write shell completions and man pages below a folder'
complete -c nixci -n "__fish_nixci_using_subcommand help; and not __fish_seen_subcommand_from check eval config log history diff why serve ctl init generate walls help" -f -a "walls" -d 'Run a program behind walls of Landlock: it may do what is named, and nothing else'
complete -c nixci -n "__fish_nixci_using_subcommand help; and not __fish_seen_subcommand_from check eval config log history diff why serve ctl init generate walls help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c nixci -n "__fish_nixci_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "run" -d 'Build a branch, tag or commit of a repository'
complete -c nixci -n "__fish_nixci_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "list" -d 'The newest runs'
complete -c nixci -n "__fish_nixci_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "show" -d 'A run with its checks'
complete -c nixci -n "__fish_nixci_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "watch" -d 'Show a run as `nixci check` does, until it is over; ends with its exit code'
complete -c nixci -n "__fish_nixci_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "log" -d 'The log of a check of a run'
complete -c nixci -n "__fish_nixci_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "cancel" -d 'End a run'
complete -c nixci -n "__fish_nixci_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "rebuild" -d 'Build the commit of a run once more, and what failed in it'
complete -c nixci -n "__fish_nixci_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "approve" -d 'Let a stranger\'s pull request be built: this very commit'
complete -c nixci -n "__fish_nixci_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "pause" -d 'Let the runs of a repository wait'
complete -c nixci -n "__fish_nixci_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "resume" -d 'Let them go on'
complete -c nixci -n "__fish_nixci_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "repositories" -d 'The repositories that are built, and what is wrong with them'
complete -c nixci -n "__fish_nixci_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "schedules" -d 'What is built because it is time, and when next'
complete -c nixci -n "__fish_nixci_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "forget" -d 'Forget that derivations failed, so that they are built again; all of them if none is named'
complete -c nixci -n "__fish_nixci_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "sweep" -d 'Look at the forges for repositories and commits that no webhook told of'
complete -c nixci -n "__fish_nixci_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "audit" -d 'Who gave which orders, the newest first'
complete -c nixci -n "__fish_nixci_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "reload" -d 'Read the server\'s settings anew, without a restart'
complete -c nixci -n "__fish_nixci_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "doctor" -d 'What is right and wrong with the server'
