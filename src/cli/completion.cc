#include "cli/completion.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/arguments.h"
#include "cli/version.h"

namespace transship::cli {

namespace {

std::string long_options(const CommandHelp& command) {
  std::string out;
  for (const auto& option : command.options) {
    if (option.positional) continue;
    for (const auto name : split(option.name, ',')) {
      if (name.starts_with("--")) out += fmt::format("{}{}", out.empty() ? "" : " ", name);
    }
  }
  return out;
}

// What may follow a command: its options, its own commands and theirs.
std::string words_after(const CommandHelp& command) {
  std::string out = long_options(command);
  for (const auto& below : command.below) {
    out += fmt::format("{}{} {}", out.empty() ? "" : " ", below.name, words_after(below));
  }
  return out;
}

// What an option or argument may be, where its type says so: "TEXT:{always,never}",
// "all|none|TYPE,...".
std::string choices(const std::string& type) {
  const auto open = type.find('{');
  const bool listed = open != std::string::npos && type.ends_with('}');
  if (!listed && type.find('|') == std::string::npos) return "";
  const std::string text = listed ? type.substr(open + 1, type.size() - open - 2) : type;
  std::string out;
  for (const auto word : split(text, listed ? ',' : '|')) {
    const bool literal = std::ranges::all_of(word, [](char c) { return c >= 'a' && c <= 'z'; });
    if (literal) out += fmt::format("{}{}", out.empty() ? "" : " ", word);
  }
  return out;
}

// Lines of a `case "COMMAND WORD-BEFORE"`: what may stand there that is no option. Where nothing is
// known, files are offered.
std::string value_cases(const CommandHelp& command) {
  std::string out;
  const auto add = [&](std::string_view before, const std::string& words) {
    if (words.empty()) return;
    out += fmt::format("      \"{} {}\") words=\"{}\" ;;\n", command.name, before, words);
  };
  std::string first;
  for (const auto& below : command.below) first += (first.empty() ? "" : " ") + below.name;
  for (const auto& option : command.options) {
    const std::string words = choices(option.type);
    if (option.positional && first.empty()) first = words;
    for (const auto name : split(option.name, ',')) {
      if (name.starts_with("--")) add(name, words);
    }
  }
  add(command.name, first);
  return out;
}

std::string bash_script() {
  std::string names, options, values;
  for (const auto& command : command_help()) {
    names += command.name + " ";
    options += fmt::format("      {}) words=\"{}\" ;;\n", command.name, words_after(command));
    values += value_cases(command);
  }
  return fmt::format(
      "_transship() {{\n"
      "  local current=${{COMP_WORDS[COMP_CWORD]}} words=\n"
      "  local before=${{COMP_WORDS[COMP_CWORD-1]}}\n"
      "  case $current in\n"
      "    -*) case ${{COMP_WORDS[1]}} in\n{}    esac ;;\n"
      "    *) case \"${{COMP_WORDS[1]}} $before\" in\n{}    esac ;;\n"
      "  esac\n"
      "  [ \"$COMP_CWORD\" -eq 1 ] && words=\"{}--help --version\"\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "}}\n"
      "complete -o default -F _transship transship\n",
      options, values, names);
}

std::string zsh_script() {
  return "#compdef transship\nautoload -U +X bashcompinit && bashcompinit\n" + bash_script();
}

std::string fish_script() {
  std::string out;
  for (const auto& command : command_help()) {
    out += fmt::format("complete -c transship -n __fish_use_subcommand -f -a {} -d '{}'\n",
                       command.name, command.summary);
    for (const auto name : split(words_after(command), ' ')) {
      if (name.empty()) continue;
      out += fmt::format("complete -c transship -n '__fish_seen_subcommand_from {}' {}\n",
                         command.name,
                         name.starts_with("--") ? fmt::format("-l {}", name.substr(2))
                                                : fmt::format("-f -a {}", name));
    }
  }
  return out;
}

std::string roff(const std::string& text) {
  std::string out;
  for (const auto line : split(text, '\n')) {
    if (line.starts_with('.') || line.starts_with('\'')) out += "\\&";
    for (const char c : line)
      out += c == '\\' ? std::string("\\e") : c == '-' ? "\\-" : std::string(1, c);
    out += '\n';
  }
  return out;
}

std::string manual_section(const CommandHelp& command, const std::string& above) {
  const std::string name = above + " " + command.name;
  std::string title = name;
  for (const auto& option : command.options) {
    if (option.positional) title += " " + option.name;
  }
  std::string out = ".SH " + roff(title) + roff(command.summary);
  for (const auto& option : command.options) {
    const bool typed = !option.positional && !option.type.empty();
    out += ".TP\n.B " + roff(option.name + (typed ? " " + option.type : "")) + roff(option.summary);
  }
  if (!command.footer.empty()) out += ".PP\n.nf\n" + roff(command.footer) + ".fi\n";
  for (const auto& below : command.below) out += manual_section(below, name);
  return out;
}

std::string manual_page() {
  std::string out = fmt::format(
      ".TH TRANSSHIP 1 \"\" \"transship {}\"\n.SH NAME\ntransship \\- copy OCI content between "
      "registries, with everything that refers to it\n.SH SYNOPSIS\n.B transship\nCOMMAND "
      "[options]\n",
      kVersion);
  for (const auto& command : command_help()) out += manual_section(command, "transship");
  out +=
      ".SH FILES\n.TP\n.B $XDG_STATE_HOME/transship\nWhat was seen at targets, and locks of jobs; "
      "--state names another directory. Deleting it costs requests, and nothing else.\n.TP\n.B "
      "$DOCKER_CONFIG/config.json\nCredentials, as docker and podman keep them; those in "
      "$REGISTRY_AUTH_FILE come before them.\n"
      ".SH EXIT STATUS\n0 done; 1 something failed; 2 usage or configuration; 3 differences "
      "found; 130 interrupted; 143 terminated.\n";
  return out;
}

}  // namespace

std::string completion_script(const std::string& shell) {
  if (shell == "bash") return bash_script();
  if (shell == "zsh") return zsh_script();
  if (shell == "fish") return fish_script();
  return manual_page();
}

}  // namespace transship::cli
