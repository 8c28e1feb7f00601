#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace transship::registry {

/// One resource scope of a token: "repository:team/app:pull,push". The name may hold colons
/// (host:port/...): it lies between the first and the last one (protocol.md 5.4).
struct Scope {
  std::string type;  ///< With its class, if any: "repository(plugin)".
  std::string name;
  std::vector<std::string> actions;  ///< Sorted, each once; "*" stands alone.

  static std::optional<Scope> parse(std::string_view text);
  static Scope pull(std::string repository);
  static Scope push(std::string repository);  ///< pull,push: registries ask pull for uploads.
  static Scope metadata_read(std::string repository);  ///< ACR's own lists.
  static Scope catalog();

  bool covers(const Scope& other) const;
  std::string to_string() const;
  bool operator==(const Scope&) const = default;
};

/// What one token is asked for. Keeps the order in which scopes were added (some registries look
/// at the first one only); each resource once.
class ScopeSet {
 public:
  ScopeSet() = default;
  ScopeSet(std::initializer_list<Scope> scopes);
  /// Scopes separated by spaces; what does not parse is left out.
  static ScopeSet parse(std::string_view text);

  void add(const Scope& scope);
  bool empty() const { return scopes_.empty(); }
  bool covers(const ScopeSet& other) const;
  /// True when `push`, `delete` or everything is asked of any resource.
  bool writes() const;
  const std::vector<Scope>& all() const { return scopes_; }
  /// The same for equal sets, whatever their order.
  std::string key() const;
  /// Space-separated, in order.
  std::string to_string() const;

 private:
  std::vector<Scope> scopes_;
};

/// `wanted` with what a challenge asked beyond it, the challenge's first. A set that only reads
/// gains nothing that writes: a registry cannot talk a reader into more rights than it needs.
ScopeSet merge_challenge(const ScopeSet& wanted, const ScopeSet& challenged);

}  // namespace transship::registry
