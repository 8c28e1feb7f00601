#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "registry/auth/token.h"
#include "transport/address.h"

namespace transship::registry {

namespace {

using Pair = std::pair<std::string_view, std::string_view>;

// Token servers that live in another domain than their registry (protocol.md 5.1).
constexpr std::array<Pair, 5> kKnownRealms = {{{"docker.io", "auth.docker.io"},
                                               {"registry-1.docker.io", "auth.docker.io"},
                                               {"registry.gitlab.com", "gitlab.com"},
                                               {"nvcr.io", "authn.nvidia.com"},
                                               {"icr.io", "iam.cloud.ibm.com"}}};

// Suffixes under which strangers register names next to each other. Not the whole public list: a
// name that is missing here only makes two labels count where three should, so the suffixes of
// hosting providers that run registries are what matters.
constexpr std::array<std::string_view, 22> kSharedSuffixes = {"co.uk",
                                                              "org.uk",
                                                              "com.au",
                                                              "com.br",
                                                              "com.cn",
                                                              "com.tr",
                                                              "co.jp",
                                                              "co.kr",
                                                              "co.in",
                                                              "co.nz",
                                                              "co.za",
                                                              "azurecr.io",
                                                              "pkg.dev",
                                                              "amazonaws.com",
                                                              "azurewebsites.net",
                                                              "cloudapp.azure.com",
                                                              "herokuapp.com",
                                                              "github.io",
                                                              "on.aws",
                                                              "run.app",
                                                              "fly.dev",
                                                              "workers.dev"};

std::string_view bare(std::string_view host) {
  host = without_brackets(host);
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

// The part of a name that somebody registered; the name itself when it is an address.
std::string_view registrable(std::string_view host) {
  host = bare(host);
  if (transport::kind_of_literal(host)) return host;
  std::size_t labels = 2;
  for (const std::string_view suffix : kSharedSuffixes) {
    if (host.size() > suffix.size() && host.ends_with(suffix) &&
        host[host.size() - suffix.size() - 1] == '.') {
      labels = split(suffix, '.').size() + 1;
    }
  }
  std::size_t at = host.size();
  while (labels-- > 0) {
    at = at == 0 ? std::string_view::npos : host.rfind('.', at - 1);
    if (at == std::string_view::npos) return host;
  }
  return host.substr(at + 1);
}

bool is_trusted(std::string_view realm_host, const RealmPolicy& policy) {
  return std::ranges::find(policy.trusted, realm_host) != policy.trusted.end();
}

bool may_have_credentials(std::string_view realm_host, const RealmPolicy& policy) {
  const std::string_view registry = policy.registry_host;
  if (realm_host == registry || same_registrable_domain(realm_host, registry)) return true;
  if (is_loopback_host(realm_host) && is_loopback_host(registry)) return true;
  for (const auto& [from, to] : kKnownRealms) {
    if (registry == from && realm_host == to) return true;
  }
  return is_trusted(realm_host, policy);
}

std::string how_to_trust(const transport::Url& realm, const RealmPolicy& policy) {
  return fmt::format(
      "if it is the registry's own, allow it: --token-host {}, or token_hosts of "
      "registry.\"{}\"",
      realm.host, policy.registry_host);
}

}  // namespace

bool is_loopback_host(std::string_view host) {
  host = bare(host);
  if (iequals(host, "localhost") || host == "::1" || to_lower(host).ends_with(".localhost")) {
    return true;
  }
  return transport::kind_of_literal(host) == transport::AddressKind::kLoopback;
}

bool is_private_host(std::string_view host) {
  if (is_loopback_host(host)) return true;
  const auto kind = transport::kind_of_literal(host);
  return kind && *kind != transport::AddressKind::kPublic;
}

bool same_registrable_domain(std::string_view a, std::string_view b) {
  const std::string_view left = registrable(a);
  return left.contains('.') && left == registrable(b);
}

Result<transport::Url> check_realm(std::string_view realm, const RealmPolicy& policy) {
  const std::string shown = printable(redact(realm), 200);
  Result<transport::Url> parsed = transport::Url::parse(realm);
  if (!parsed) {
    return fail(Errc::kUntrusted,
                fmt::format("the challenge names no absolute http(s) URL as realm: \"{}\"", shown));
  }
  const transport::Url& url = *parsed;
  const bool loopback = is_loopback_host(url.host) && is_loopback_host(policy.registry_host);
  if (url.scheme == "http" && !loopback &&
      (!policy.registry_plain || url.host != policy.registry_host)) {
    return std::unexpected(
        Error{.code = Errc::kUntrusted,
              .message =
                  fmt::format("the challenge sends to a token server over plain HTTP: {}", shown)}
            .with_hint("tokens are only asked for over https: the registry's realm must say so"));
  }
  if (is_private_host(url.host) && !is_private_host(policy.registry_host) &&
      !is_trusted(url.host, policy)) {
    return std::unexpected(
        Error{.code = Errc::kUntrusted,
              .message = fmt::format("the challenge of a public registry names a token server on a "
                                     "private address: {}",
                                     shown)}
            .with_hint(how_to_trust(url, policy)));
  }
  if (policy.has_credentials && !may_have_credentials(url.host, policy)) {
    return std::unexpected(
        Error{.code = Errc::kUntrusted,
              .message = fmt::format("credentials for {} are not sent to the token server {}",
                                     policy.registry_host, shown)}
            .with_hint(how_to_trust(url, policy)));
  }
  return parsed;
}

}  // namespace transship::registry
