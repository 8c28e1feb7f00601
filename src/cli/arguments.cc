#include "cli/arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/text.h"
#include "cli/argument_groups.h"
#include "cli/exit_codes.h"
#include "cli/program.h"
#include "cli/version.h"

namespace transship::cli {

namespace {

void add_referrers(CLI::App* app, std::string& value) {
  app->add_option("--referrers", value,
                  "Signatures, SBOMs and other referrers: all (default), none, or artifact types "
                  "with commas")
      ->type_name("all|none|TYPE,...");
}

CLI::App* add_copy(CLI::App& app, CopyArguments& copy, CommonArguments& common) {
  auto* c = app.add_subcommand(
      "copy", "Copy an artifact, all below it and all that refers to it, to one or more targets");
  c->add_option("SRC", copy.source, "host/repo:tag, host/repo@digest or oci:DIR[:name]")
      ->required();
  c->add_option("DST", copy.targets, "The same forms; the source is read once for all targets")
      ->required();
  c->add_flag("--all-tags", copy.all_tags, "Every tag of the source's repository");
  add_referrers(c, copy.referrers);
  c->add_option("--platform", copy.platforms,
                "Only these platforms of an index (changes its digest); can be repeated")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("OS/ARCH[/VARIANT]");
  c->add_option("--overwrite", copy.overwrite,
                "Target tags that exist with another digest (default always)")
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
  app->add_option("--job", sync.jobs, "Only this job; can be repeated")
      ->allow_extra_args(false)
      ->type_name("NAME");
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
               "Begin no artifact after this time (90s, 15m, 8h), and say what is left");
  s->footer(
      "Examples:\n"
      "  transship sync -c jobs.toml\n"
      "  transship sync -c jobs.toml --job production --max-duration 8h --report report.json\n"
      "Ends with 0 when the targets are equal (or time was up), 1 when something failed, 2 for "
      "usage or when the job runs already, 130 or 143 by signal.");
  auto* p = app.add_subcommand("plan", "What sync would do; nothing is written");
  add_pass(p, sync, common);
  add_rate(p, "--rate", sync.rate,
           "Say how long it would take at this rate to each target (100MiB/s), instead of at the "
           "rate of earlier passes");
  p->footer(
      "Examples:\n  transship plan -c jobs.toml --rate 100MiB/s\n"
      "  transship plan -c jobs.toml --json");
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
  s->add_option("--access-log", serve.access_log, "A line per request; - for standard error")
      ->type_name("FILE");
  s->add_option("--io", serve.io, "How files are written (default auto)")
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
      "  pass show eu | transship login eu.example.com -u robot --password-stdin\n"
      "Kept in the file of --authfile, else of $REGISTRY_AUTH_FILE, else docker's config.json; or "
      "with the credential helper that this file names.");
  auto* out = app.add_subcommand("logout", "Remove a registry's stored credential");
  out->add_option("HOST", login.host, "Registry, as in references")->required();
  add_common(out, common);
  out->add_option("--authfile", login.network.auth_file,
                  "Credential file, instead of $REGISTRY_AUTH_FILE or docker's")
      ->type_name("FILE");
  out->footer("Example:\n  transship logout eu.example.com");
}

void add_show(CLI::App& app, ShowArguments& show, CommonArguments& common) {
  constexpr const char* kEnds =
      "Ends with 0 when all of it could be read, 1 when a child, a referrer or a list could not "
      "(each is named), 2 for usage, 130 or 143 by signal.";
  auto* i = app.add_subcommand("inspect", "An artifact's manifest, platforms, sizes, referrers");
  i->add_option("REF", show.reference, "host/repo:tag, host/repo@digest or oci:DIR[:name]")
      ->required();
  i->add_flag("--raw", show.raw, "The manifest's bytes, as they are");
  add_common(i, common);
  add_network(i, show.network);
  i->footer(std::string("Example:\n  transship inspect eu.example.com/team/app:1.2\n") + kEnds);
  auto* t = app.add_subcommand("tree", "An artifact with its children and referrers, drawn");
  t->add_option("REF", show.reference, "host/repo:tag, host/repo@digest or oci:DIR[:name]")
      ->required();
  add_common(t, common);
  add_network(t, show.network);
  t->footer(std::string("Example:\n  transship tree eu.example.com/team/app:1.2\n") + kEnds);
}

void add_comparison(CLI::App* app, CompareArguments& compare, CommonArguments& common) {
  app->add_option("SRC", compare.source, "host/repo:tag, host/repo@digest or oci:DIR[:name]");
  app->add_option("DST", compare.targets, "The same forms; they are shown side by side");
  app->add_option("-c,--config", compare.file, "Compare what the jobs of this TOML file select")
      ->type_name("FILE");
  app->add_option("--job", compare.jobs, "Only this job; can be repeated")
      ->allow_extra_args(false)
      ->type_name("NAME");
  app->add_flag("--all-tags", compare.all_tags,
                "Every tag of the source's repository, and tags that only a target has");
  add_referrers(app, compare.referrers);
  app->add_option("--platform", compare.platforms,
                  "The targets have only these platforms of an index; can be repeated")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("OS/ARCH[/VARIANT]");
  app->add_flag("--ignore-extra", compare.ignore_extra, "What only a target has is no difference");
  app->add_option("--report", compare.report_file, "Write the result as JSON to this file")
      ->type_name("FILE");
  add_common(app, common);
  add_network(app, compare.network);
}

void add_compare(CLI::App& app, CompareArguments& compare, CommonArguments& common) {
  constexpr const char* kEnds =
      "Ends with 0 when all is equal, 3 when something differs, 1 when something could not be "
      "asked, 2 for usage, 130 or 143 by signal.";
  auto* d = app.add_subcommand("diff", "Compare targets with a source, by digest: what is missing");
  d->add_flag("--deep", compare.deep,
              "Children of indexes and nested referrers too: the source's manifests are read. "
              "Without it: tags, and what refers to equal roots, by HEAD and list alone");
  add_comparison(d, compare, common);
  d->footer(std::string("Examples:\n"
                        "  transship diff hub.example.com/team/app:1.2 "
                        "eu.example.com/team/app:1.2 us.example.com/team/app:1.2\n"
                        "  transship diff -c jobs.toml --job production --json\n") +
            kEnds);
  auto* v = app.add_subcommand("verify", "Walk a whole graph: what a target lacks, down to blobs");
  v->add_flag("--deep", compare.deep,
              "Read and hash the targets' content; without it blobs are asked for by HEAD");
  add_comparison(v, compare, common);
  v->footer(std::string("Examples:\n"
                        "  transship verify hub.example.com/team/app:1.2 "
                        "eu.example.com/team/app:1.2\n"
                        "  transship verify --deep --all-tags hub.example.com/team/app "
                        "oci:/media/usb/app\n") +
            kEnds);
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
  CompareArguments compare;
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
    add_compare(app, compare, out.common);
    add_serve(app, serve, out.common);
    add_login(app, login, out.common);
    add_show(app, show, out.common);
    add_completion(app, completion);
  }
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  /// "transship copy", as far as the command line was understood.
  std::string begun() const {
    std::string text = app.get_name();
    for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
      at = at->get_subcommands().front();
      text += " " + at->get_name();
    }
    return text;
  }

  Arguments take() {
    const std::string name = app.get_subcommands().front()->get_name();
    if (name == "copy") out.command = std::move(copy);
    if (name == "sync" || name == "plan" || name == "config") {
      sync.plan = name == "plan";
      sync.check_only = name == "config";
      out.command = std::move(sync);
    }
    if (name == "diff" || name == "verify") {
      compare.verify = name == "verify";
      out.command = std::move(compare);
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
    Error error{.code = Errc::kInvalidArgument, .message = e.what()};
    if (argc > 1 && argv[1][0] != '-' && line.app.get_subcommands(named).empty()) {
      error.message = fmt::format("'{}' is no command", printable(argv[1], 80));
    }
    error.hint = fmt::format("{} --help says how it is used", line.begun());
    const bool json =
        std::any_of(argv, argv + argc, [](std::string_view a) { return a == "--json"; });
    print_error(error, json);
    return kUsage;
  }
  return line.take();
}

std::vector<CommandHelp> command_help() {
  const CommandLine line;
  return help_below(line.app);
}

}  // namespace transship::cli
