#pragma once

#include "server/http/reply.h"
#include "server/http/request_body.h"
#include "server/options.h"
#include "server/tree/repository_store.h"
#include "server/tree/upload_sessions.h"
#include "storage/file_io.h"

namespace transship::server {

/// What the handlers work on. One per server; they hold it by reference while a request lasts.
struct Context {
  RepositoryStore& store;
  UploadSessions& uploads;
  storage::FileIo& files;
  const Options& options;
};

// One function per method and resource (protocol 1.2). The repository's name in `route` was
// checked. Arguments outlive the call: the connection holds them.

Task<Reply> get_manifest(Context& context, const Request& request, const Route& route);
Task<Reply> put_manifest(Context& context, const Request& request, const Route& route,
                         RequestBody& body);
Task<Reply> delete_manifest(Context& context, const Route& route);

Task<Reply> get_blob(Context& context, const Request& request, const Route& route);
Task<Reply> delete_blob(Context& context, const Route& route);

Task<Reply> start_upload(Context& context, const Request& request, const Route& route,
                         RequestBody& body);
Task<Reply> patch_upload(Context& context, const Request& request, const Route& route,
                         RequestBody& body);
Task<Reply> put_upload(Context& context, const Request& request, const Route& route,
                       RequestBody& body);
Task<Reply> get_upload(Context& context, const Route& route);
Task<Reply> delete_upload(Context& context, const Route& route);

Task<Reply> list_tags(Context& context, const Route& route);
Task<Reply> list_repositories(Context& context, const Route& route);
Task<Reply> list_referrers(Context& context, const Route& route);

// What several of them answer.

Reply digest_invalid(std::string_view message);
Reply name_unknown(std::string_view name);

/// `n` and `last` of a list.
struct Page {
  std::size_t entries;
  std::optional<std::string> last;
};
/// kInvalidArgument for an `n` that is no number.
Result<Page> page_of(const Route& route, std::size_t most);
Reply page_invalid();

/// A body of at most `max_bytes`; kTooLarge.
Task<Result<std::string>> read_body(RequestBody& body, std::uint64_t max_bytes);

}  // namespace transship::server
