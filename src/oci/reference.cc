#include "oci/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace transship::oci {

namespace {

constexpr std::string_view kDockerHub = "docker.io";

std::unexpected<Error> refuse(std::string_view text, std::string_view why, std::string hint = {}) {
  return std::unexpected(
      Error{.code = Errc::kInvalidArgument,
            .message = fmt::format("reference \"{}\": {}", printable(redact(text), 200), why),
            .hint = std::move(hint)});
}

// What a part's own parser says, as a fault of the whole reference: what a person wrote makes no
// sense, whatever kind of error it would be in bytes from a registry.
template <class T>
Result<T> part_of(std::string_view text, Result<T> part) {
  if (part) return part;
  return refuse(text, part.error().message, part.error().hint);
}

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool is_port(std::string_view text) {
  const auto port = parse_u64(text);
  return port && *port >= 1 && *port <= 65535 && text.size() <= 5;
}

bool is_dns_name(std::string_view text) {
  return text.size() <= 253 && std::ranges::all_of(split(text, '.'), [](std::string_view label) {
           return !label.empty() && label.size() <= 63 && is_alnum(label.front()) &&
                  is_alnum(label.back()) &&
                  std::ranges::all_of(label, [](char c) { return is_alnum(c) || c == '-'; });
         });
}

// Enough to tell an address from anything else; the resolver has the last word.
bool is_bracketed_ipv6(std::string_view text) {
  if (text.size() < 4 || !text.starts_with('[') || !text.ends_with(']')) return false;
  const std::string_view inner = text.substr(1, text.size() - 2);
  return inner.size() <= 45 && std::ranges::count(inner, ':') >= 2 &&
         std::ranges::all_of(inner, [](char c) { return is_hex_digit(c) || c == ':' || c == '.'; });
}

// "host", "host:port", "[v6]", "[v6]:port".
bool is_host(std::string_view text) {
  const auto bracket = text.rfind(']');
  const auto colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos && !is_port(text.substr(colon + 1))) return false;
  const std::string_view name = text.substr(0, colon);
  return name.starts_with('[') ? is_bracketed_ipv6(name) : is_dns_name(name);
}

// The rule of docker: the first component is a host if it looks like one.
bool looks_like_host(std::string_view component) {
  return component.find_first_of(".:[") != std::string_view::npos ||
         iequals(component, "localhost");
}

std::string usual_host(std::string_view host) {
  std::string lower = to_lower(host);
  if (lower == "index.docker.io" || lower == "registry-1.docker.io") return std::string(kDockerHub);
  return lower;
}

// Names that docker would read one way and people mean another.
Result<void> check_ambiguous(std::string_view text, std::string_view name) {
  const std::string_view bare = name.substr(0, name.find(':'));
  if ((bare == "sha256" || bare == "sha512") && bare.size() < name.size()) {
    return refuse(text, "a digest without a repository", "write HOST/REPOSITORY@sha256:...");
  }
  if (name.size() == 64 && std::ranges::all_of(name, is_hex_digit)) {
    return refuse(
        text, "64 hexadecimal digits could be an image id, a digest or a name",
        "write HOST/REPOSITORY@sha256:... for a digest, docker.io/library/NAME for a name");
  }
  if (looks_like_host(bare) || name.starts_with('[')) {
    return refuse(
        text, "a registry without a repository",
        "write HOST/REPOSITORY[:TAG]; for an image of Docker Hub, docker.io/library/NAME");
  }
  return {};
}

// Splits "host/path" into its host ("docker.io" where none is written) and the path.
Result<std::string> take_host(std::string_view text, std::string_view& name) {
  const auto slash = name.find('/');
  if (slash == std::string_view::npos) {
    TS_TRY(check_ambiguous(text, name));
    return std::string(kDockerHub);
  }
  const std::string_view first = name.substr(0, slash);
  if (!looks_like_host(first)) {
    if (std::ranges::any_of(first, is_upper)) {
      return refuse(text,
                    fmt::format("\"{}\" has upper case: it is no repository of Docker Hub, and as "
                                "a host it is ambiguous",
                                printable(first, 80)),
                    "write the host with its domain or port; repositories are lower case");
    }
    return std::string(kDockerHub);
  }
  if (!is_host(first)) {
    return refuse(text, fmt::format("\"{}\" is no HOST, HOST:PORT or [IPV6]:PORT",
                                    printable(redact(first), 80)));
  }
  name.remove_prefix(slash + 1);
  return usual_host(first);
}

Result<void> check_scheme(std::string_view text) {
  const auto scheme = text.find("://");
  if (scheme == std::string_view::npos) return {};
  const bool plain = iequals(text.substr(0, scheme), "http");
  return refuse(text, "a reference has no scheme",
                plain ? "write HOST/REPOSITORY[:TAG], and pass --plain-http HOST where TLS is not "
                        "spoken"
                      : "write HOST/REPOSITORY[:TAG]");
}

Result<void> check_transport(std::string_view text) {
  constexpr std::array<std::string_view, 7> kOthers = {
      "oci-archive:", "docker-archive:", "docker-daemon:", "containers-storage:",
      "dir:",         "ostree:",         "tarball:"};
  const auto* other =
      std::ranges::find_if(kOthers, [&](auto name) { return text.starts_with(name); });
  if (other == kOthers.end()) return {};
  return refuse(text, fmt::format("\"{}\" is not supported", *other),
                "registries (HOST/REPOSITORY:TAG) and layouts (oci:DIR:NAME) are");
}

Result<Reference> parse_registry(std::string_view text, std::string_view rest) {
  RegistryReference reference;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    const std::string_view digest = rest.substr(at + 1);
    // Not shown: what stands before the "@" may be a password.
    if (digest.find('/') != std::string_view::npos) {
      return std::unexpected(Error{.code = Errc::kInvalidArgument,
                                   .message = "a reference has no user name and no password",
                                   .hint = "store them with transship login HOST"});
    }
    TS_TRY(reference.digest, part_of(fmt::format("...@{}", digest), Digest::parse(digest)));
    rest = rest.substr(0, at);
  }
  std::string_view name = rest;
  TS_TRY(reference.host, take_host(text, name));
  if (const auto colon = name.rfind(':');
      colon != std::string_view::npos && name.find('/', colon) == std::string_view::npos) {
    TS_TRY(reference.tag, part_of(text, Tag::parse(name.substr(colon + 1))));
    name = name.substr(0, colon);
  }
  std::string path(name);
  if (reference.host == kDockerHub && !path.empty() && path.find('/') == std::string::npos) {
    path.insert(0, "library/");
  }
  TS_TRY(reference.repository, part_of(text, RepositoryName::parse(path)));
  return reference;
}

// The directory up to the first ":" that is not written "\:"; `rest` is what follows that colon.
std::string take_directory(std::string_view text, std::optional<std::string_view>& rest) {
  std::string directory;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == ':' || text[i + 1] == '\\')) {
      directory += text[++i];
    } else if (text[i] == ':') {
      rest = text.substr(i + 1);
      return directory;
    } else {
      directory += text[i];
    }
  }
  return directory;
}

// image-spec annotations.md (org.opencontainers.image.ref.name), and "_", which tags have.
bool is_layout_name(std::string_view name) {
  constexpr std::string_view kOthers = "-._:@+/";
  return name.size() <= 1024 && !name.empty() && (is_alnum(name.front()) || name.front() == '_') &&
         std::ranges::all_of(name, [&](char c) {
           return is_alnum(c) || kOthers.find(c) != std::string_view::npos;
         });
}

Result<Reference> parse_layout(std::string_view text) {
  if (text.starts_with("oci://")) {
    return refuse(text, "\"oci://\" is helm's way to name a registry",
                  "write HOST/REPOSITORY[:TAG] for a registry, oci:DIR[:NAME] for a layout");
  }
  LayoutReference reference;
  std::optional<std::string_view> rest;
  std::string directory = take_directory(text.substr(std::string_view("oci:").size()), rest);
  std::string digest;
  for (const std::string_view algorithm : {"@sha256", "@sha512"}) {
    if (!rest || !directory.ends_with(algorithm)) continue;
    digest = fmt::format("{}:{}", algorithm.substr(1), *rest);
    directory.resize(directory.size() - algorithm.size());
  }
  if (digest.empty() && rest && rest->starts_with('@')) digest = rest->substr(1);
  if (!digest.empty()) {
    TS_TRY(reference.digest, part_of(text, Digest::parse(digest)));
  } else if (rest) {
    if (!is_layout_name(*rest)) {
      return refuse(text, fmt::format("\"{}\" is no name in a layout", printable(*rest, 100)),
                    "write oci:DIR:NAME or oci:DIR@sha256:...; a colon in DIR is written \"\\:\"");
    }
    reference.name = std::string(*rest);
  }
  if (directory.empty() || directory.find('\0') != std::string::npos) {
    return refuse(text, "no directory", "write oci:DIR[:NAME]");
  }
  reference.directory = std::move(directory);
  return reference;
}

}  // namespace

Result<Reference> parse_reference(std::string_view text) {
  if (text.empty()) return refuse(text, "empty", "write HOST/REPOSITORY[:TAG] or oci:DIR[:NAME]");
  if (text.starts_with("oci:")) return parse_layout(text);
  TS_TRY(check_transport(text));
  std::string_view rest = text;
  if (rest.starts_with("docker://")) rest.remove_prefix(std::string_view("docker://").size());
  TS_TRY(check_scheme(rest));
  return parse_registry(text, rest);
}

std::string RegistryReference::to_string() const {
  std::string out = host + "/" + repository.str();
  if (tag) out += ":" + tag->str();
  if (digest) out += "@" + digest->to_string();
  return out;
}

std::string LayoutReference::to_string() const {
  std::string out = "oci:";
  for (const char c : directory.string()) {
    if (c == ':' || c == '\\') out += '\\';
    out += c;
  }
  if (digest) return out + "@" + digest->to_string();
  return name ? out + ":" + *name : out;
}

std::string to_string(const Reference& reference) {
  return std::visit([](const auto& r) { return r.to_string(); }, reference);
}

}  // namespace transship::oci
