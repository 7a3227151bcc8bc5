# The module with settings as people write them, for tests/nixos.rs.
let
  lib = import ./lib.nix;
  package = name: {
    outPath = "/programs/${name}";
    meta.mainProgram = name;
  };
  pkgs = {
    bubblewrap = package "bubblewrap";
    git = package "git";
    openssh = package "openssh";
    formats.toml = _: {
      generate = name: value: {
        outPath = "/generated/${name}";
        inherit value;
      };
    };
  };
  module =
    config:
    import ../../../nixos/module.nix {
      inherit lib pkgs config;
    };
  options = (module { }).options.services.nixci;

  # What the module makes of services.nixci beside settings of Nix.
  host =
    nix: definitions:
    let
      config = {
        nix = {
          package = package "nix";
          settings = nix;
        };
        services.nixci = lib.fill "services.nixci" options (
          {
            enable = true;
            package = package "nixci";
          }
          // definitions
        );
      };
    in
    lib.resolve (module config).config;

  # What goes on the machine.
  seen =
    made:
    let
      unit = made.systemd.services.nixci;
    in
    {
      file = made.environment.etc."nixci/nixci-server.toml".source.value;
      service = unit.serviceConfig;
      inherit (unit) after requires;
      path = map (program: program.outPath) unit.path;
      sockets = made.systemd.sockets.nixci;
      nginx = made.services.nginx;
      user = made.users.users.nixci;
      allowed = made.nix.settings;
    };
  failed =
    nix: definitions:
    map (one: one.message) (builtins.filter (one: !one.assertion) (host nix definitions).assertions);
  evaluates = definitions: (builtins.tryEval (builtins.deepSeq (host { } definitions) true)).success;

  url = "https://ci.example.org";
  gitea = {
    kind = "gitea";
    url = "https://git.example.org";
    token_file = "/secrets/token";
  };
  withForge = name: forge: {
    settings = {
      inherit url;
      forge.${name} = forge;
    };
  };

  # The names of the settings by table; what a name stands for is `*`.
  keys =
    table: options:
    let
      isTable = option: option._type or null != "option";
      here = lib.mapAttrs (_: _: true) options;
      inner = name: option:
        if isTable option then
          keys "${table}${name}." option
        else if name == "forge" then
          keys "forge.*." (forgeOptions.options)
        else if name == "post_build" then
          keys "post_build." postBuildOptions.options
        else if name == "schedule" then
          keys "schedule." scheduleOptions.options
        else if name == "private_inputs" then
          keys "forge.*.private_inputs." privateInputsOptions.options
        else if name == "repository" then
          keys "forge.*.repository.*." repositoryOptions.options
        else
          { };
    in
    builtins.foldl' (all: more: all // more) { ${table} = builtins.attrNames here; } (
      lib.attrValues (lib.mapAttrs inner options)
    );
  settingOptions = (import ../../../nixos/settings.nix { inherit lib; });
  # `attrsOf` shows what it is of.
  named =
    (import ../../../nixos/settings.nix {
      lib = lib // {
        types = lib.types // {
          attrsOf = type: type;
          listOf = type: type;
        };
      };
    });
  forgeOptions = named.forge.type;
  postBuildOptions = named.post_build.type;
  scheduleOptions = named.schedule.type;
  privateInputsOptions = forgeOptions.options.private_inputs.type;
  repositoryOptions = forgeOptions.options.repository.type;
  undescribed =
    at: options:
    lib.concatLists (
      lib.attrValues (
        lib.mapAttrs (
          name: option:
          if option._type or null != "option" then
            undescribed "${at}.${name}" option
          else
            lib.optional (!(option ? description && option ? type)) "${at}.${name}"
        ) options
      )
    );
in
{
  keys = keys "" settingOptions;
  undescribed =
    undescribed "nixci" options
    ++ undescribed "settings" settingOptions
    ++ undescribed "forge" forgeOptions.options
    ++ undescribed "private_inputs" privateInputsOptions.options
    ++ undescribed "repository" repositoryOptions.options
    ++ undescribed "post_build" postBuildOptions.options
    ++ undescribed "schedule" scheduleOptions.options;
  disabled = host { } { enable = false; };
  least = seen (host { } { settings = { inherit url; }; });
  whole = seen (
    host { } {
      extraPackages = [ (package "cachix") ];
      environmentFile = "/secrets/environment";
      socket.enable = true;
      nginx.enable = true;
      nginx.domain = "ci.example.org";
      settings = {
        socket = "/run/nixci/ctl";
        ctl_token_file = [
          "/secrets/ctl"
          "/secrets/ctl-old"
        ];
        outputs_dir = "/srv/outputs";
        forge = {
          work = gitea // {
            api_url = "https://git.example.org/api/v1";
            webhook_secret_file = [
              "/secrets/new"
              "/secrets/old"
            ];
            topics = [ "nixci" ];
            owners = [
              "acme"
              "alice"
            ];
            repositories = [ "acme/*" ];
            private_inputs = [
              {
                token_file = "/secrets/inputs";
                repositories = [ "acme/*" ];
              }
              {
                token_file = "/secrets/all-inputs";
                user = "reader";
                repositories = [ "infra/*" ];
                pull_requests = true;
              }
            ];
          };
          hub = {
            kind = "github";
            app_id = 12345;
            app_key_file = "/secrets/app.pem";
            webhook_secret_file = [ "/secrets/hub" ];
          };
          mirror = {
            kind = "plain";
            repository.demo = {
              url = "https://git.example.org/demo.git";
              poll = "5m";
            };
          };
        };
        status.prefix = "buildbot";
        status.failures = 10;
        pull_requests.build = "trusted";
        branches = [ "release-*" ];
        tags = [ "v*" ];
        limits = {
          jobs = 8;
          evaluations = 2;
          eval_workers = 4;
          eval_memory = 4096;
          eval_timeout = "30m";
          attributes = 1000;
          timeout = "3h";
          max_silent_time = "20m";
          failed_for = "1h";
          keep_runs = "720h";
          keep_outputs = 3;
          drain = "2m";
        };
        systems = [ "x86_64-linux" ];
        secrets.key = "/secrets/key";
        post_build = [
          {
            name = "push";
            command = [ "push" "%(prop:out_path)s" ];
            environment.TOKEN = "%(secret:key)s";
          }
        ];
        schedule = [
          {
            name = "nightly";
            cron = "30 2 * * *";
            repositories = [ "work/acme/*" ];
          }
        ];
        upload = {
          copy_to = [ "s3://cache" ];
          cachix = [ "acme" ];
          attic = [ "acme" ];
          niks3 = [ "https://niks3.example.org" ];
          push_closure = true;
        };
      };
    }
  );
  bubblewrap = seen (host { } { settings = { inherit url; isolation = "bubblewrap"; }; });
  auto = seen (host { } { settings = { inherit url; isolation = "auto"; }; });
  unix = seen (host { } { socket = { enable = true; listenStream = "/run/nixci.http"; }; nginx = { enable = true; domain = "ci"; }; });
  failed = {
    none = failed { trusted-users = [ "root" ]; } (withForge "work" gitea);
    url = failed { } { };
    domain = failed { } { settings = { inherit url; }; nginx.enable = true; };
    listen = failed { } { settings = { inherit url; listen = "systemd"; }; };
    unix = failed { } { settings = { inherit url; listen = "unix:/run/nixci/http"; }; nginx = { enable = true; domain = "ci"; }; };
    trusted = failed { trusted-users = [ "root" "nixci" ]; } (withForge "work" gitea);
    sandbox = failed { sandbox = "relaxed"; } (withForge "work" gitea);
    name = failed { } (withForge "my forge" gitea);
    forge_url = failed { } (withForge "work" (removeAttrs gitea [ "url" ]));
    app = failed { } (withForge "work" (gitea // { app_id = 1; }));
    token = failed { } (withForge "work" (removeAttrs gitea [ "token_file" ]));
    repository = failed { } (withForge "work" (gitea // { repository.demo.url = "https://x"; }));
    secret = failed { } { settings = { inherit url; secrets."a/b" = "/secrets/key"; }; };
    relative = failed { } (withForge "work" (gitea // { token_file = "token"; }));
    stored = failed { } (withForge "work" (gitea // { token_file = "${builtins.storeDir}/token"; }));
  };
  # Each has to be refused by the types.
  refused = map evaluates [
    (withForge "work" (gitea // { kind = "bitbucket"; }))
    (withForge "work" (gitea // { token = "secret"; }))
    (withForge "work" (gitea // { token_file = ./lib.nix; }))
    { settings = { inherit url; state_dir = "/srv"; }; }
    { settings = { inherit url; limits.jobs = 0; }; }
    { settings = { inherit url; isolation = "chroot"; }; }
    { settings = { inherit url; limits.jbos = 1; }; }
  ];
  accepted = evaluates (withForge "work" gitea);
}
