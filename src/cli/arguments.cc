#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "base/text.h"
#include "cli/exit_codes.h"
#include "cli/version.h"

namespace transship::cli {

namespace {

constexpr std::string_view kGroupNetwork = "Network";

// "128MiB", "64m", "1GiB", plain bytes.
std::string parse_size(const std::string& text, std::uint64_t& out) {
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  std::string unit = text.substr(digits);
  std::ranges::transform(unit, unit.begin(), [](unsigned char c) { return std::tolower(c); });
  if (unit.ends_with("ib")) unit.resize(unit.size() - 2);
  const std::map<std::string, unsigned> shifts = {
      {"", 0}, {"b", 0}, {"k", 10}, {"m", 20}, {"g", 30}};
  const auto shift = shifts.find(unit);
  if (digits == 0 || digits > 12 || shift == shifts.end()) {
    return "'" + text + "' is no size: write bytes, or a number with KiB, MiB or GiB";
  }
  const std::uint64_t count = std::stoull(text.substr(0, digits));
  if (count > (std::uint64_t{1} << 62U) >> shift->second) return "'" + text + "' is too large";
  out = count << shift->second;
  return {};
}

void add_size(CLI::App* app, const std::string& name, std::uint64_t& value,
              const std::string& help) {
  app->add_option_function<std::string>(
         name,
         [&value](const std::string& text) {
           if (auto wrong = parse_size(text, value); !wrong.empty()) {
             throw CLI::ValidationError(wrong);
           }
         },
         help)
      ->type_name("SIZE");
}

// "90s", "15m", "8h", "1h30m".
std::string parse_duration(std::string_view text, std::chrono::milliseconds& out) {
  const std::string wrong = "'" + std::string(text) + "' is no duration: write 90s, 15m or 8h";
  std::int64_t sum = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (digits == 0 || digits > 9 || digits == rest.size()) return wrong;
    const char unit = rest[digits];
    const std::int64_t seconds = unit == 's' ? 1 : unit == 'm' ? 60 : unit == 'h' ? 3600 : 0;
    if (seconds == 0) return wrong;
    sum += std::stoll(std::string(rest.substr(0, digits))) * seconds;
    rest.remove_prefix(digits + 1);
  }
  if (sum == 0) return wrong;
  out = std::chrono::seconds(sum);
  return {};
}

void add_duration(CLI::App* app, const std::string& name,
                  std::optional<std::chrono::milliseconds>& value, const std::string& help) {
  app->add_option_function<std::string>(
         name,
         [&value](const std::string& text) {
           std::chrono::milliseconds parsed{};
           if (auto wrong = parse_duration(text, parsed); !wrong.empty()) {
             throw CLI::ValidationError(wrong);
           }
           value = parsed;
         },
         help)
      ->type_name("TIME");
}

void add_common(CLI::App* app, CommonArguments& common) {
  app->add_flag("--json", common.json, "Print the result as JSON on standard output");
  app->add_flag("-q,--quiet", common.quiet, "No progress, no summary; errors only");
  app->add_flag("-v,--verbose", common.verbose, "Say more; twice: every request");
  app->add_option("--state", common.state_dir,
                  "Directory for state (default: $XDG_STATE_HOME/transship)")
      ->type_name("DIR");
}

void add_network(CLI::App* app, NetworkArguments& network) {
  const auto group = std::string(kGroupNetwork);
  app->add_option("--ca", network.ca, "PEM file of authorities to trust beside the system's")
      ->type_name("FILE")
      ->group(group);
  app->add_option("--cert", network.cert, "PEM file of the client certificate")
      ->type_name("FILE")
      ->group(group);
  app->add_option("--key", network.key, "PEM file of the client certificate's key")
      ->type_name("FILE")
      ->group(group);
  app->add_option("--plain-http", network.plain_http,
                  "Speak plain HTTP to this host (host or host:port); can be repeated. "
                  "Loopback hosts are tried with TLS first, then without, by themselves")
      ->type_name("HOST")
      ->group(group);
  app->add_option("--allow-private-redirects", network.allow_private_redirects,
                  "Follow redirects of this public host to private addresses (storage on a "
                  "private link); can be repeated")
      ->type_name("HOST")
      ->group(group);
  app->add_option("--authfile", network.auth_file,
                  "Credential file, instead of docker's and podman's")
      ->type_name("FILE")
      ->group(group);
  app->add_option("--max-connections", network.max_connections, "Connections per host, at most")
      ->check(CLI::Range(1, 4096))
      ->group(group);
  add_size(app, "--memory", network.memory_bytes,
           "Bound on resident memory (default 128MiB; at least 32MiB)");
  add_size(app, "--max-manifest-size", network.max_manifest_bytes,
           "Manifests above this are refused (default 4MiB)");
  app->add_option("--shards", network.shards, "Event loops (default: one per usable CPU)")
      ->check(CLI::Range(1, 64))
      ->group(group);
}

CLI::App* add_copy(CLI::App& app, CopyArguments& copy, CommonArguments& common) {
  auto* c = app.add_subcommand(
      "copy", "Copy an artifact, all below it and all that refers to it, to one or more targets");
  c->add_option("SRC", copy.source, "host/repo:tag, host/repo@digest or oci:DIR[:name]")
      ->required();
  c->add_option("DST", copy.targets, "The same forms; the source is read once for all targets")
      ->required();
  c->add_flag("--all-tags", copy.all_tags, "Every tag of the source's repository");
  c->add_option("--referrers", copy.referrers,
                "Signatures, SBOMs and other referrers: all, none, or artifact types with commas")
      ->type_name("all|none|TYPE,...");
  c->add_option("--platform", copy.platforms,
                "Only these platforms of an index (changes its digest); can be repeated")
      ->delimiter(',')
      ->type_name("OS/ARCH[/VARIANT]");
  c->add_option("--overwrite", copy.overwrite, "Target tags that exist with another digest")
      ->check(CLI::IsMember({"always", "never"}));
  c->add_option("--digest-file", copy.digest_file, "Write the copied root's digest to this file")
      ->type_name("FILE");
  c->add_flag("--dry-run", copy.dry_run, "Say what would be copied, write nothing");
  c->add_option("--report", copy.report_file, "Write the report as JSON to this file")
      ->type_name("FILE");
  add_common(c, common);
  add_network(c, copy.network);
  c->footer(
      "Examples:\n"
      "  transship copy hub.example.com/team/app:1.2 eu.example.com/team/app:1.2\n"
      "  transship copy --all-tags hub.example.com/team/app eu.example.com/team/app "
      "us.example.com/team/app\n"
      "  transship copy alpine:3.20 oci:/media/usb/alpine:3.20\n"
      "Ends with 0 when all is there, 1 when something failed, 2 for usage, 130 or 143 by signal.");
  return c;
}

void add_selection(CLI::App* app, SyncArguments& sync) {
  app->add_option("-c,--config", sync.file, "TOML file of registries and jobs")
      ->required()
      ->type_name("FILE");
  app->add_option("--job", sync.jobs, "Only this job; can be repeated")->type_name("NAME");
}

void add_pass(CLI::App* app, SyncArguments& sync, CommonArguments& common) {
  add_selection(app, sync);
  app->add_flag("--strict", sync.strict,
                "Ask the targets for every tag and its referrers, whatever was seen before");
  app->add_option("--audit", sync.audit_percent,
                  "Of the tags seen before, ask so many at the targets all the same (default 1)")
      ->check(CLI::Range(0.0, 100.0))
      ->type_name("PERCENT");
  app->add_option("--report", sync.report_file, "Write the report as JSON to this file")
      ->type_name("FILE");
  add_common(app, common);
  add_network(app, sync.network);
}

void add_sync(CLI::App& app, SyncArguments& sync, CommonArguments& common) {
  auto* s = app.add_subcommand("sync", "One pass of the jobs of a file: targets equal to sources");
  add_pass(s, sync, common);
  add_duration(s, "--max-duration", sync.max_duration,
               "Begin nothing after this time (90s, 15m, 8h), and say what is left");
  s->footer(
      "Examples:\n"
      "  transship sync -c jobs.toml\n"
      "  transship sync -c jobs.toml --job production --max-duration 8h --report report.json\n"
      "Ends with 0 when the targets are equal (or time was up), 1 when something failed, 2 for "
      "usage or when the job runs already, 130 or 143 by signal.");
  auto* p = app.add_subcommand("plan", "What sync would do; nothing is written");
  add_pass(p, sync, common);
  p->footer("Example:\n  transship plan -c jobs.toml --json");
  auto* c = app.add_subcommand("config", "Work on a configuration file");
  c->require_subcommand(1);
  auto* check = c->add_subcommand("check", "Read the file, and say all that is wrong with it");
  check->add_option("FILE", sync.file, "TOML file of registries and jobs")->required();
  add_common(check, common);
  c->footer("Example:\n  transship config check jobs.toml");
}

CLI::App* add_serve(CLI::App& app, ServeArguments& serve, CommonArguments& common) {
  auto* s = app.add_subcommand("serve", "An OCI registry over a directory of image layouts");
  s->add_option("DIR", serve.directory, "Root of the layouts; made when it is not there")
      ->required();
  s->add_option("--listen", serve.listen,
                "Address; port 0 picks a free one, which is printed (default 127.0.0.1:5000)")
      ->type_name("HOST:PORT");
  s->add_option("--tls-cert", serve.tls_cert, "PEM file of the server's certificate chain")
      ->type_name("FILE");
  s->add_option("--tls-key", serve.tls_key, "PEM file of its key")->type_name("FILE");
  s->add_option("--htpasswd", serve.htpasswd, "Users with bcrypt hashes, as `htpasswd -B` writes")
      ->type_name("FILE");
  s->add_flag("--anonymous-read", serve.anonymous_read, "With --htpasswd: reads need no user");
  s->add_option("--access-log", serve.access_log, "A line per request; - for standard output")
      ->type_name("FILE");
  s->add_option("--io", serve.io, "How files are written")
      ->check(CLI::IsMember({"auto", "uring", "pool"}));
  s->add_flag("--no-sync", serve.no_sync,
              "Do not wait for the disk: a power loss may lose what was acknowledged");
  add_common(s, common);
  s->footer(
      "Examples:\n"
      "  transship serve /srv/registry\n"
      "  transship serve /srv/registry --listen 0.0.0.0:443 --tls-cert c.pem --tls-key k.pem "
      "--htpasswd users --anonymous-read");
  return s;
}

void add_login(CLI::App& app, LoginArguments& login, CommonArguments& common) {
  auto* in = app.add_subcommand("login", "Check a user and password at a registry and store them");
  in->add_option("HOST", login.host, "Registry, as in references")->required();
  in->add_option("-u,--username", login.user, "User; asked for when it is not given");
  in->add_flag("--password-stdin", login.password_stdin, "Read the password from standard input");
  add_common(in, common);
  add_network(in, login.network);
  in->footer(
      "Examples:\n"
      "  transship login eu.example.com -u robot\n"
      "  pass show eu | transship login eu.example.com -u robot --password-stdin");
  auto* out = app.add_subcommand("logout", "Remove a registry's stored credential");
  out->add_option("HOST", login.host, "Registry, as in references")->required();
  add_common(out, common);
  out->add_option("--authfile", login.network.auth_file, "Credential file")->type_name("FILE");
  out->footer("Example:\n  transship logout eu.example.com");
}

void add_show(CLI::App& app, ShowArguments& show, CommonArguments& common) {
  auto* i = app.add_subcommand("inspect", "An artifact's manifest, platforms, sizes, referrers");
  i->add_option("REF", show.reference, "host/repo:tag, host/repo@digest or oci:DIR[:name]")
      ->required();
  i->add_flag("--raw", show.raw, "The manifest's bytes, as they are");
  add_common(i, common);
  add_network(i, show.network);
  i->footer("Example:\n  transship inspect eu.example.com/team/app:1.2");
  auto* t = app.add_subcommand("tree", "An artifact with its children and referrers, drawn");
  t->add_option("REF", show.reference, "host/repo:tag, host/repo@digest or oci:DIR[:name]")
      ->required();
  add_common(t, common);
  add_network(t, show.network);
  t->footer("Example:\n  transship tree eu.example.com/team/app:1.2");
}

void add_completion(CLI::App& app, CompletionArguments& completion) {
  auto* shell = app.add_subcommand("completion", "Print a completion script for a shell");
  shell->add_option("SHELL", completion.shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  shell->footer("Example:\n  transship completion bash > /etc/bash_completion.d/transship");
  auto* manual = app.add_subcommand("manual", "Print the manual page");
  manual->footer("Example:\n  transship manual > /usr/local/share/man/man1/transship.1");
}

// The whole command line and where its values go. Not movable: CLI11 keeps pointers into it.
struct CommandLine {
  CLI::App app{
      "Copies OCI content between registries, by digest, with everything that refers to it.",
      "transship"};
  Arguments out;
  CopyArguments copy;
  SyncArguments sync;
  ServeArguments serve;
  LoginArguments login;
  ShowArguments show;
  CompletionArguments completion;

  CommandLine() {
    app.set_version_flag("--version", "transship " + std::string(kVersion));
    app.require_subcommand(1);
    app.footer("`transship COMMAND --help` has an example of each command.");
    add_copy(app, copy, out.common);
    add_sync(app, sync, out.common);
    add_serve(app, serve, out.common);
    add_login(app, login, out.common);
    add_show(app, show, out.common);
    add_completion(app, completion);
  }
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  Arguments take() {
    const std::string name = app.get_subcommands().front()->get_name();
    if (name == "copy") out.command = std::move(copy);
    if (name == "sync" || name == "plan" || name == "config") {
      sync.plan = name == "plan";
      sync.check_only = name == "config";
      out.command = std::move(sync);
    }
    if (name == "serve") out.command = std::move(serve);
    if (name == "login" || name == "logout") {
      login.logout = name == "logout";
      out.command = std::move(login);
    }
    if (name == "inspect" || name == "tree") {
      show.tree = name == "tree";
      out.command = std::move(show);
    }
    if (name == "completion" || name == "manual") {
      if (name == "manual") completion.shell = "man";
      out.command = std::move(completion);
    }
    return std::move(out);
  }
};

std::vector<CommandHelp> help_below(const CLI::App& app) {
  std::vector<CommandHelp> out;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    CommandHelp help{.name = command->get_name(),
                     .summary = command->get_description(),
                     .footer = command->get_footer(),
                     .options = {},
                     .below = help_below(*command)};
    for (const CLI::Option* option : command->get_options()) {
      const bool value = option->get_type_size() > 0;
      help.options.push_back({.name = option->get_name(false, true),
                              .positional = !option->nonpositional(),
                              .value = value,
                              .type = value ? option->get_type_name() : "",
                              .summary = option->get_description()});
    }
    out.push_back(std::move(help));
  }
  return out;
}

}  // namespace

std::variant<Arguments, int> parse_arguments(int argc, const char* const* argv) {
  CommandLine line;
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return line.app.exit(e);
  } catch (const CLI::ParseError& e) {
    // CLI11 says only that a command is missing: name the word that is none.
    const auto named = [&](CLI::App* command) { return command->check_name(argv[1]); };
    if (argc > 1 && argv[1][0] != '-' && line.app.get_subcommands(named).empty()) {
      std::cerr << "transship: '" << printable(argv[1], 80) << "' is no command\n";
    }
    line.app.exit(e);
    return kUsage;
  }
  return line.take();
}

std::vector<CommandHelp> command_help() {
  const CommandLine line;
  return help_below(line.app);
}

}  // namespace transship::cli
