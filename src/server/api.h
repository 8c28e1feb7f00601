#pragma once

#include "server/authenticator.h"
#include "server/handlers.h"

namespace transship::server {

/// Answers requests: who asks, what for, and which handler does it.
class Api {
 public:
  Api(Context context, Authenticator& authenticator)
      : context_(context), authenticator_(&authenticator) {}

  Task<Reply> handle(Request& request, RequestBody& body);

 private:
  Task<Reply> dispatch(const Request& request, const Route& route, RequestBody& body);
  Task<Reply> dispatch_upload(const Request& request, const Route& route, RequestBody& body);
  Task<std::optional<Reply>> authenticate(Request& request);

  Context context_;
  Authenticator* authenticator_;
};

}  // namespace transship::server
