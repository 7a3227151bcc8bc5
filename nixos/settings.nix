# What may stand in nixci-server.toml, key by key and under the same names. How the file comes about and who reads it is
# the business of module.nix. A test holds these names against those that the program knows.
{ lib }:
let
  inherit (lib) mkOption types;

  optional =
    type: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit description;
    };

  list =
    description:
    mkOption {
      type = types.listOf types.str;
      default = [ ];
      inherit description;
    };

  plainRepository = types.submodule {
    options = {
      url = mkOption {
        type = types.str;
        description = "Where git finds the repository.";
      };
      default_branch = mkOption {
        type = types.str;
        default = "main";
        description = "The branch that counts.";
      };
      public = mkOption {
        type = types.bool;
        default = false;
        description = "Whether everybody may see its pages.";
      };
      poll = optional types.str "How often to look for news, such as `5m`. Null: only webhooks tell.";
    };
  };

  postBuild = types.submodule {
    options = {
      name = mkOption {
        type = types.str;
        description = "What the step is called.";
      };
      command = mkOption {
        type = types.listOf types.str;
        description = "The program and its arguments, without a shell; `%(prop:NAME)s` stands for what is known of the check.";
      };
      environment = mkOption {
        type = types.attrsOf types.str;
        default = { };
        description = "Its variables besides `PATH`, `HOME` and `TMPDIR`; `%(prop:NAME)s` and `%(secret:NAME)s` may be in them.";
      };
      warn_only = mkOption {
        type = types.bool;
        default = false;
        description = "Whether its failure changes nothing; else the check fails by it.";
      };
      repositories = optional (types.listOf types.str) "Patterns of repositories, `FORGE/OWNER/NAME`, or `OWNER/NAME` where there is one forge. Null: all.";
      branches = optional (types.listOf types.str) "Patterns of branches. Null: all that are built, or none where `tags` is set.";
      tags = optional (types.listOf types.str) "Patterns of tags. Null: all that are built, or none where `branches` is set.";
      pull_requests = mkOption {
        type = types.bool;
        default = false;
        description = "Whether also for pull requests of people who may write, or that such a one has approved; never with secrets.";
      };
      checks = optional (types.listOf types.str) "Patterns of checks. Null: all.";
      timeout = optional types.str "How long it may take. Null: an hour.";
    };
  };

  schedule = types.submodule {
    options = {
      name = mkOption {
        type = types.str;
        description = "What the schedule is called.";
      };
      cron = mkOption {
        type = types.str;
        example = "30 2 * * *";
        description = "When: minute, hour, day of the month, month and day of the week, in UTC.";
      };
      repositories = optional (types.listOf types.str) "Patterns of repositories, `FORGE/OWNER/NAME`, or `OWNER/NAME` where there is one forge. Null: all.";
      branch = optional types.str "Which branch is built. Null: the default one.";
    };
  };

  privateInputs = types.submodule {
    options = {
      token_file = mkOption {
        type = types.str;
        description = "The file with a token that only reads, and not the server's own; read by systemd as root.";
      };
      user = optional types.str "The name that goes with the token, where the forge does not take any.";
      repositories = mkOption {
        type = types.listOf types.str;
        description = ''
          For which repositories, `OWNER/NAME` or `FORGE/OWNER/NAME`; one that everybody may see is named without `*`.
          Whoever may write to one of them can read all that the token opens.
        '';
      };
      pull_requests = mkOption {
        type = types.bool;
        default = false;
        description = "Whether also for pull requests of people who may write.";
      };
    };
  };

  forge = types.submodule {
    options = {
      kind = mkOption {
        type = types.enum [
          "github"
          "gitea"
          "forgejo"
          "gitlab"
          "plain"
        ];
        description = "What the forge is; `plain` for repositories without one.";
      };
      url = optional types.str "Where its pages and repositories are. Needed for Gitea and Forgejo.";
      api_url = optional types.str "Where its API is, if that does not follow from `url`.";
      token_file = optional types.str "The file with the token of a user; read by systemd as root.";
      app_id = optional types.ints.positive "The number of the GitHub App.";
      app_key_file = optional types.str "The file with the private key of the GitHub App, in PEM; read by systemd as root.";
      webhook_secret_file = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = ''
          Files with what signs the webhooks; read by systemd as root. The first is given to new webhooks, the others
          still count. Without one no webhook is taken.
        '';
      };
      topics = mkOption {
        type = types.listOf types.str;
        default = [
          "nixci"
          "build-with-buildbot"
        ];
        description = "Repositories with one of these topics are built, where the server is an administrator.";
      };
      owners = optional (types.listOf types.str) ''
        Of the repositories with a topic only those of these users and organizations, on GitLab also of groups, with what is
        below them. Null: of everybody who makes the user of the token an administrator, which strangers can do, too.
      '';
      writes_per_minute = optional types.ints.positive "How many statuses it is told in a minute, of each account. Null: 70 for GitHub, else any number.";
      writes_per_hour = optional types.ints.positive "How many statuses it is told in an hour, of each account. Null: 450 for GitHub, else any number.";
      repositories = list "Repositories, `owner/name`, and owners, `owner/*`, that are built without a topic.";
      private_inputs = mkOption {
        type = types.listOf privateInputs;
        default = [ ];
        description = "Tokens by which evaluations fetch private inputs of flakes from the forge; of several the first that is for a repository.";
      };
      repository = mkOption {
        type = types.attrsOf plainRepository;
        default = { };
        description = "The repositories of a forge of the kind `plain`, by name.";
      };
    };
  };
in
{
  listen = mkOption {
    type = types.str;
    default = "127.0.0.1:8080";
    description = "Where the server listens: `ADDRESS:PORT` or `unix:PATH`. With `services.nixci.socket.enable` it does not count.";
  };
  url = optional types.str "Where people and forges reach the server. Null: `https://` and the domain of `services.nixci.nginx`.";
  behind_proxy = optional types.bool "Whether all requests come from a proxy, whose `X-Forwarded-For` is believed. Null: with `services.nixci.nginx`.";
  state_dir = mkOption {
    type = types.str;
    default = "/var/lib/nixci";
    readOnly = true;
    description = "The folder of the database, the mirrors and the logs.";
  };
  socket = optional types.str "Where `nixci ctl` reaches the server. Null: `nixci.sock` in the state folder.";
  ctl_token_file = list "Files with tokens for `nixci ctl` from other machines, one for each person; read by systemd as root. `nixci ctl audit` calls them by their names.";
  outputs_dir = optional types.str "The folder for the paths of what was built. It has to exist, and the user nixci has to own it.";
  forge = mkOption {
    type = types.attrsOf forge;
    default = { };
    description = "The forges. The webhooks of a forge come to `/webhook/NAME`.";
  };
  status = {
    prefix = optional types.str "What the contexts of commit statuses begin with. Null: `nixci`; `buildbot` gives the names of buildbot-nix.";
    failures = mkOption {
      type = types.ints.unsigned;
      default = 47;
      description = "How many failures of a commit get a status of their own.";
    };
  };
  pull_requests.build = mkOption {
    type = types.enum [
      "trusted"
      "approved"
      "all"
    ];
    default = "approved";
    description = ''
      Whose pull requests are built: `trusted`, of people who may write; `approved`, others' too once one of those has
      approved the commit; `all`.
    '';
  };
  branches = list "Patterns of branches that are built besides the default one.";
  tags = list "Patterns of tags that are built.";
  limits = {
    jobs = optional types.ints.positive "How many builds there are at once. Null: as Nix is set.";
    evaluations = optional types.ints.positive "How many evaluations go on at once.";
    eval_workers = optional types.ints.positive "How many workers all evaluations have together. Null: by processors and memory.";
    eval_memory = optional types.ints.positive "The memory that all evaluations may use together, in MiB. Null: three quarters of what is free.";
    eval_timeout = optional types.str "How long an evaluation may take.";
    attributes = optional types.ints.positive "How many attributes an evaluation may find.";
    timeout = optional types.str "How long a build may take. Null: as Nix is set, or 10h.";
    max_silent_time = optional types.str "How long a build may be silent. Null: as Nix is set, or 2h.";
    failed_for = optional types.str "For how long a derivation that failed is not built again.";
    keep_runs = optional types.str "How long runs and their logs are kept.";
    keep_outputs = optional types.ints.unsigned "How many different outputs of a check are kept from being collected, the newest ones, for each branch.";
    post_builds = optional types.ints.positive "How many post-build steps there are at once.";
    drain = optional types.str "How long running builds may go on when the server is told to stop.";
  };
  isolation = mkOption {
    type = types.enum [
      "auto"
      "bubblewrap"
      "landlock"
      "none"
    ];
    default = "landlock";
    description = ''
      What stands between evaluations and this machine: `landlock`, for which the unit needs no namespaces;
      `bubblewrap`, which hides more from evaluations and takes a unit that may do more; `auto`, bubblewrap where it works
      and else Landlock; `none`.
    '';
  };
  private_hosts = list "Hosts of the own network that evaluations may fetch from, besides the forges: `HOST`, `HOST:PORT`, or `*` for all.";
  systems = optional (types.listOf types.str) "The systems to build. Null: those that Nix has a builder for.";
  upload = {
    copy_to = list "URLs of stores that outputs are copied to.";
    cachix = list "Caches of Cachix that outputs go to.";
    attic = list "Caches of Attic that outputs go to.";
    niks3 = list "Servers of niks3 that outputs go to.";
    push_closure = mkOption {
      type = types.bool;
      default = false;
      description = "Whether what was built on the way goes there too.";
    };
  };
  secrets = mkOption {
    type = types.attrsOf types.str;
    default = { };
    description = "Files with secrets for post-build steps, by name; read by systemd as root.";
  };
  post_build = mkOption {
    type = types.listOf postBuild;
    default = [ ];
    description = "What is run after a check has passed, in this order.";
  };
  schedule = mkOption {
    type = types.listOf schedule;
    default = [ ];
    description = "What is built again and again, whether anything changed or not.";
  };
}
