#include "registry/auth/scope.h"

#include <algorithm>

#include "base/text.h"

namespace transship::registry {

namespace {

constexpr std::size_t kMaxScopes = 10;  // A dozen make URLs and tokens too large for header limits.

void canonicalise(std::vector<std::string>& actions) {
  std::ranges::sort(actions);
  actions.erase(std::ranges::unique(actions).begin(), actions.end());
  if (std::ranges::find(actions, "*") != actions.end()) actions = {"*"};
}

bool is_write(std::string_view action) { return action != "pull" && action != "metadata_read"; }

}  // namespace

std::optional<Scope> Scope::parse(std::string_view text) {
  const std::size_t first = text.find(':');
  const std::size_t last = text.rfind(':');
  if (first == std::string_view::npos || first == last || first == 0) return std::nullopt;
  Scope scope{.type = std::string(text.substr(0, first)),
              .name = std::string(text.substr(first + 1, last - first - 1)),
              .actions = {}};
  for (const std::string_view action : split(text.substr(last + 1), ',')) {
    if (!trim(action).empty()) scope.actions.emplace_back(trim(action));
  }
  if (scope.name.empty() || scope.actions.empty()) return std::nullopt;
  canonicalise(scope.actions);
  return scope;
}

Scope Scope::pull(std::string repository) {
  return {"repository", std::move(repository), {"pull"}};
}

Scope Scope::push(std::string repository) {
  return {"repository", std::move(repository), {"pull", "push"}};
}

Scope Scope::metadata_read(std::string repository) {
  return {"repository", std::move(repository), {"metadata_read"}};
}

Scope Scope::catalog() { return {"registry", "catalog", {"*"}}; }

bool Scope::covers(const Scope& other) const {
  if (type != other.type || name != other.name) return false;
  if (actions.front() == "*") return true;
  return std::ranges::includes(actions, other.actions);
}

std::string Scope::to_string() const {
  std::string out = type + ":" + name + ":";
  for (std::size_t i = 0; i < actions.size(); ++i) {
    if (i > 0) out += ',';
    out += actions[i];
  }
  return out;
}

ScopeSet::ScopeSet(std::initializer_list<Scope> scopes) {
  for (const Scope& scope : scopes) add(scope);
}

ScopeSet ScopeSet::parse(std::string_view text) {
  ScopeSet set;
  for (const std::string_view part : split(text, ' ')) {
    if (const auto scope = Scope::parse(part)) set.add(*scope);
  }
  return set;
}

void ScopeSet::add(const Scope& scope) {
  for (Scope& known : scopes_) {
    if (known.type != scope.type || known.name != scope.name) continue;
    known.actions.insert(known.actions.end(), scope.actions.begin(), scope.actions.end());
    canonicalise(known.actions);
    return;
  }
  if (scopes_.size() < kMaxScopes) scopes_.push_back(scope);
}

bool ScopeSet::covers(const ScopeSet& other) const {
  return std::ranges::all_of(other.scopes_, [&](const Scope& wanted) {
    return std::ranges::any_of(scopes_, [&](const Scope& held) { return held.covers(wanted); });
  });
}

bool ScopeSet::writes() const {
  return std::ranges::any_of(
      scopes_, [](const Scope& scope) { return std::ranges::any_of(scope.actions, is_write); });
}

std::string ScopeSet::key() const {
  std::vector<std::string> parts;
  parts.reserve(scopes_.size());
  for (const Scope& scope : scopes_) parts.push_back(scope.to_string());
  std::ranges::sort(parts);
  std::string out;
  for (const std::string& part : parts) out += part + " ";
  return out;
}

std::string ScopeSet::to_string() const {
  std::string out;
  for (const Scope& scope : scopes_) {
    if (!out.empty()) out += ' ';
    out += scope.to_string();
  }
  return out;
}

ScopeSet merge_challenge(const ScopeSet& wanted, const ScopeSet& challenged) {
  const bool may_write = wanted.writes();
  ScopeSet out;
  for (Scope scope : challenged.all()) {
    if (!may_write) std::erase_if(scope.actions, is_write);
    if (!scope.actions.empty()) out.add(scope);
  }
  for (const Scope& scope : wanted.all()) out.add(scope);
  return out;
}

}  // namespace transship::registry
