#include "engine/progress.h"

namespace transship::engine {

namespace {

class Silent final : public Progress {
 public:
  void blob_started(std::uint64_t, const oci::Descriptor&, const oci::RepositoryId&) override {}
  void moved(std::uint64_t, std::uint64_t) override {}
  void blob_ended(std::uint64_t, BlobEnd) override {}
  void expected(std::uint64_t, std::uint64_t) override {}
  void tagged(const oci::RepositoryId&, std::string_view, const oci::Digest&) override {}
  void note(std::string_view) override {}
};

}  // namespace

Progress& silent_progress() {
  static Silent instance;
  return instance;
}

}  // namespace transship::engine
