#pragma once

#include <memory>

#include "server/http/request_body.h"
#include "server/tree/upload_sessions.h"
#include "storage/file_io.h"

namespace transship::server {

/// Appends a request's body to a session's file, hashing on the way. The session must be `busy`.
///
/// All bytes that arrived are kept when the connection breaks: `offset` counts them. When the disk
/// fails, the file is cut back to the last offset that is known to be whole.
Task<Result<void>> receive_upload(const LayoutTree& tree, storage::FileIo& files,
                                  std::shared_ptr<UploadSession> session, RequestBody& body);

}  // namespace transship::server
