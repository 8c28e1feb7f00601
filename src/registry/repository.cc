#include "registry/repository.h"

#include <fmt/format.h>

#include "base/text.h"

namespace transship::registry {

Repository::Repository(Host& host, oci::RepositoryName name, Access access)
    : host_(host),
      name_(std::move(name)),
      access_(access),
      scopes_({access == Access::kPull ? Scope::pull(name_.str()) : Scope::push(name_.str())}) {}

oci::RepositoryId Repository::id() const {
  return {.store = host_.name(), .repository = name_.str()};
}

std::string Repository::path(std::string_view rest) const {
  return fmt::format("/v2/{}/{}", name_.str(), rest);
}

std::string Repository::action(std::string_view verb, std::string_view what) const {
  return fmt::format("{} {} {} {}/{}", verb, printable(what, 200),
                     verb == "GET" || verb == "HEAD" ? "from" : "to", host_.name(), name_.str());
}

Error Repository::refusal(const transport::Response& response, std::string_view action) const {
  Error out = host_.error(response, action);
  std::string hint(host_.profile().missing_repository_hint);
  if (out.code != Errc::kRepositoryUnknown || hint.empty()) return out;
  if (const auto at = hint.find("NAME"); at != std::string::npos) hint.replace(at, 4, name_.str());
  out.hint = std::move(hint);
  return out;
}

Call Repository::call(transport::Method method, std::string target,
                      std::uint64_t oci::RequestCounts::* kind) const {
  Call out;
  out.method = method;
  out.target = std::move(target);
  out.scopes = scopes_;
  out.repository = name_.str();
  out.kind = kind;
  out.counts = &counts_;
  out.max_body = host_.options().error_bytes;
  return out;
}

Call Repository::session_call(transport::Method method, const transport::Url& url) const {
  Call out = call(method, "", &oci::RequestCounts::upload_data);
  out.url = url;
  out.request_class = transport::RequestClass::kWrite;
  return out;
}

}  // namespace transship::registry
