#include "server/api.h"

#include "oci/names.h"

namespace transship::server {

namespace {

Reply unauthorized() {
  return error_reply(401, "UNAUTHORIZED", "authentication is needed, or was wrong")
      .header("WWW-Authenticate", "Basic realm=\"transship\", charset=\"UTF-8\"");
}

Reply method_not_allowed(Resource resource) {
  return error_reply(405, "UNSUPPORTED", "no such method here")
      .header("Allow", allowed_methods(resource));
}

Reply not_found() { return error_reply(404, "UNSUPPORTED", "no such endpoint"); }

Reply ping() {
  Reply reply{.body = "{}"};
  reply.header("Content-Type", "application/json");
  return reply;
}

Task<Reply> ready(Reply reply) { co_return reply; }

std::optional<Reply> refuse_name(const std::string& name) {
  const auto parsed = oci::RepositoryName::parse(name);
  if (!parsed) return error_reply(400, "NAME_INVALID", parsed.error().message);
  if (!LayoutTree::is_reserved(*parsed)) return std::nullopt;
  return error_reply(400, "NAME_INVALID",
                     "\"blobs\", \"index.json\" and \"oci-layout\" cannot be part of a name here");
}

bool has_name(Resource resource) {
  return resource != Resource::kPing && resource != Resource::kCatalog &&
         resource != Resource::kNone;
}

}  // namespace

Task<std::optional<Reply>> Api::authenticate(Request& request) {
  auto verdict = authenticator_->check_known(request);
  if (!verdict) verdict = co_await authenticator_->check(request);
  switch (*verdict) {
    case Authenticator::Verdict::kGranted:
      co_return std::nullopt;
    case Authenticator::Verdict::kRefused:
      co_return unauthorized();
    case Authenticator::Verdict::kBusy:
      co_return error_reply(429, "TOOMANYREQUESTS", "too many logins at once")
          .header("Retry-After", "2");
  }
  co_return unauthorized();
}

Task<Reply> Api::handle(Request& request, RequestBody& body) {
  if (request.unknown_expectation) {
    co_return error_reply(417, "UNSUPPORTED", "only 100-continue can be expected");
  }
  if (auto refused = co_await authenticate(request)) co_return std::move(*refused);
  const Route where = route(request.target);
  if (where.resource == Resource::kNone) co_return not_found();
  // A name in memory was checked when it came there.
  if (has_name(where.resource) && !context_.store.names().contains(where.name)) {
    if (auto refused = refuse_name(where.name)) co_return std::move(*refused);
  }
  co_return co_await dispatch(request, where, body);
}

Task<Reply> Api::dispatch(const Request& request, const Route& where, RequestBody& body) {
  const std::string& method = request.method;
  const bool is_read = request.is_read();
  switch (where.resource) {
    case Resource::kPing:
      if (is_read) return ready(ping());
      break;
    case Resource::kCatalog:
      if (is_read) return list_repositories(context_, where);
      break;
    case Resource::kTags:
      if (is_read) return list_tags(context_, where);
      break;
    case Resource::kReferrers:
      if (is_read) return list_referrers(context_, where);
      break;
    case Resource::kManifest:
      if (is_read) return get_manifest(context_, request, where);
      if (method == "PUT") return put_manifest(context_, request, where, body);
      if (method == "DELETE") return delete_manifest(context_, where);
      break;
    case Resource::kBlob:
      if (is_read) return get_blob(context_, request, where);
      if (method == "DELETE") return delete_blob(context_, where);
      break;
    case Resource::kUploads:
      if (method == "POST") return start_upload(context_, request, where, body);
      break;
    case Resource::kUpload:
      return dispatch_upload(request, where, body);
    case Resource::kNone:
      break;
  }
  return ready(method_not_allowed(where.resource));
}

Task<Reply> Api::dispatch_upload(const Request& request, const Route& where, RequestBody& body) {
  if (request.method == "GET") return get_upload(context_, where);
  if (request.method == "PATCH") return patch_upload(context_, request, where, body);
  if (request.method == "PUT") return put_upload(context_, request, where, body);
  if (request.method == "DELETE") return delete_upload(context_, where);
  return ready(method_not_allowed(where.resource));
}

}  // namespace transship::server
