#pragma once

#include "base/fault_point.h"
#include "oci/store.h"

namespace transship::engine {

/// One attempt to put a manifest: the commit step of all of them, where the crash tests end the
/// process before it and after it.
inline Task<Result<oci::PutOutcome>> put_manifest(oci::TargetRepository& to, oci::ManifestName name,
                                                  const oci::Manifest& manifest) {
  const bool tag = !name.digest;
  tag ? fault_point<"tag-commit.before">() : fault_point<"manifest-commit.before">();
  Result<oci::PutOutcome> done = co_await to.put_manifest(std::move(name), manifest);
  if (done) {
    tag ? fault_point<"tag-commit.after">() : fault_point<"manifest-commit.after">();
  }
  co_return done;
}

}  // namespace transship::engine
