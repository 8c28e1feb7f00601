#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "e2e/harness.h"
#include "support/raw_server.h"

namespace transship::e2e {

/// A registry in memory, as simple as one can be, that verifies nothing and does what a hook says.
///
/// It commits exactly what it was sent: what it holds after a copy is what the program let happen.
class FakeRegistry {
 public:
  struct Request {
    std::string method, target;  ///< The target with its query.
    std::string head, body;
    /// The body's bytes announced by Content-Length.
    std::size_t announced = 0;
  };
  /// Answers on the connection itself and returns true, or leaves it to the registry. Called
  /// before the body is read; several threads.
  using Hook = std::function<bool(const Request&, test::RawConnection&)>;

  explicit FakeRegistry(Hook hook = {});

  std::string host() const { return server_.host(); }
  /// As after a push.
  void put(const TestContent& content);
  /// The next answers for this digest or tag have these bytes (a lie, say).
  void replace(const std::string& key, std::string bytes);

  bool has_blob(const std::string& digest) const;
  bool has_manifest(const std::string& digest_or_tag) const;
  std::size_t committed() const;  ///< Blobs and manifests that were pushed, not put.
  std::vector<std::string> requests() const;

 private:
  struct Stored {
    std::string media_type, bytes;
  };
  void serve(test::RawConnection& connection);
  /// False: the connection ends.
  bool answer(const Request& request, test::RawConnection& connection);
  bool answer_read(const Request& request, const std::string& path, test::RawConnection& to);
  bool answer_write(const Request& request, const std::string& path, test::RawConnection& to);
  std::optional<Stored> find(const std::string& key) const;

  Hook hook_;
  mutable std::mutex mutex_;
  std::map<std::string, Stored> stored_;  ///< Blobs and manifests by digest, manifests by tag.
  std::vector<std::string> requests_;
  std::size_t committed_ = 0;
  test::RawServer server_;  // Last: its threads use what stands above.
};

}  // namespace transship::e2e
