#include <array>
#include <utility>

#include "base/text.h"
#include "registry/token.h"

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

std::string_view without_brackets(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

std::optional<std::array<unsigned, 4>> ipv4(std::string_view host) {
  const auto parts = split(host, '.');
  if (parts.size() != 4) return std::nullopt;
  std::array<unsigned, 4> out{};
  for (std::size_t i = 0; i < 4; ++i) {
    const auto number = parse_u64(parts[i]);
    if (!number || *number > 255) return std::nullopt;
    out[i] = static_cast<unsigned>(*number);
  }
  return out;
}

bool is_address(std::string_view host) { return ipv4(host).has_value() || host.contains(':'); }

// The part of a name that somebody registered; the name itself when it is an address.
std::string_view registrable(std::string_view host) {
  host = without_brackets(host);
  if (is_address(host)) return host;
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

bool may_have_credentials(std::string_view realm_host, const RealmPolicy& policy) {
  const std::string_view registry = policy.registry_host;
  if (realm_host == registry || same_registrable_domain(realm_host, registry)) return true;
  if (is_loopback_host(realm_host) && is_loopback_host(registry)) return true;
  for (const auto& [from, to] : kKnownRealms) {
    if (registry == from && realm_host == to) return true;
  }
  return std::ranges::find(policy.trusted, realm_host) != policy.trusted.end();
}

}  // namespace

bool is_loopback_host(std::string_view host) {
  host = without_brackets(host);
  if (iequals(host, "localhost") || host == "::1" || to_lower(host).ends_with(".localhost")) {
    return true;
  }
  const auto address = ipv4(host);
  return address && (*address)[0] == 127;
}

bool is_private_host(std::string_view host) {
  if (is_loopback_host(host)) return true;
  host = without_brackets(host);
  if (host.contains(':')) {
    const std::string lower = to_lower(host);
    return lower == "::" || lower.starts_with("fe8") || lower.starts_with("fe9") ||
           lower.starts_with("fea") || lower.starts_with("feb") || lower.starts_with("fc") ||
           lower.starts_with("fd") || lower.starts_with("::ffff:");
  }
  // "2130706433" and "0x7f.1" are addresses to inet_aton: a name has a letter in its last label.
  const std::string_view last = split(host, '.').back();
  if (!ipv4(host) && !last.empty() && (last[0] >= '0' && last[0] <= '9')) return true;
  const auto address = ipv4(host);
  if (!address) return false;
  const auto [a, b, c, d] = *address;
  return a == 0 || a == 10 || (a == 172 && b >= 16 && b < 32) || (a == 192 && b == 168) ||
         (a == 169 && b == 254) || (a == 100 && b >= 64 && b < 128);
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
    return fail(Errc::kUntrusted,
                fmt::format("the challenge sends to a token server over plain HTTP: {}", shown));
  }
  if (is_private_host(url.host) && !is_private_host(policy.registry_host) &&
      std::ranges::find(policy.trusted, url.host) == policy.trusted.end()) {
    return std::unexpected(
        Error{.code = Errc::kUntrusted,
              .message = fmt::format("the challenge of a public registry names a token server on a "
                                     "private address: {}",
                                     shown)}
            .with_hint("name it as trusted realm of this registry if that is meant"));
  }
  if (policy.has_credentials && !may_have_credentials(url.host, policy)) {
    return std::unexpected(
        Error{.code = Errc::kUntrusted,
              .message = fmt::format("credentials for {} are not sent to the token server {}",
                                     policy.registry_host, shown)}
            .with_hint("name it as trusted realm of this registry if that is meant"));
  }
  return parsed;
}

}  // namespace transship::registry
