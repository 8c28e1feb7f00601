#include "fuzz/entry.h"
#include "registry/auth/challenge.h"
#include "registry/auth/scope.h"

namespace transship::fuzz {
namespace {

void run_challenge(std::string_view input) {
  const auto all = registry::parse_challenges(input);
  require(all.size() <= 16, "the number of challenges is bounded");
  for (const auto& each : all) {
    require(!each.scheme.empty(), "a challenge has a scheme");
    require(each.parameters.size() <= 32, "the number of parameters is bounded");
  }
  const auto chosen = registry::choose_challenge({input});
  if (!chosen) return;
  if (chosen->kind == registry::ChosenChallenge::Kind::kBearer) {
    require(!chosen->realm.empty(), "a Bearer challenge has a realm");
  }
  const auto scopes = registry::ScopeSet::parse(chosen->scope);
  require(scopes.all().size() <= 10, "the number of scopes is bounded");
  require(registry::ScopeSet::parse(scopes.to_string()).key() == scopes.key(),
          "scopes survive printing");
  const registry::ScopeSet reader({registry::Scope::pull("app")});
  require(!registry::merge_challenge(reader, scopes).writes(), "a reader stays a reader");
}

[[maybe_unused]] const bool kAdded = add_entry("challenge", run_challenge);

}  // namespace
}  // namespace transship::fuzz
