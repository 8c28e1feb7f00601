// The resident peak of the program stays below the default of --memory, whatever it moves.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "e2e/bad_registry.h"
#include "e2e/harness.h"
#include "e2e/resident_peak.h"
#include "oci/hasher.h"
#include "support/http/raw_server.h"

namespace transship::e2e {
namespace {

constexpr std::uint64_t kMiB = 1ULL << 20U;
constexpr std::uint64_t kGiB = 1ULL << 30U;
constexpr std::uint64_t kDefaultMemory = 128 * kMiB;
constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";

void expect_below_the_default(const Measured& measured) {
  EXPECT_EQ(measured.code, 0) << measured.printed();
  EXPECT_GT(measured.peak, kMiB) << "nothing was measured";
  EXPECT_LT(measured.peak, kDefaultMemory);
  const double mib = static_cast<double>(measured.peak) / static_cast<double>(kMiB);
  std::printf("resident peak: %.1f MiB\n", mib);
  ::testing::Test::RecordProperty("peak_mib", std::to_string(mib));
}

TEST(Memory, ManyBlobsInFlightStayBelowTheDefault) {
  if (shadow_memory()) GTEST_SKIP() << "the memory of a sanitizer is not the program's";
  Served source, target;
  const auto image = test::make_image({.layers = 32, .layer_bytes = 8 * kMiB});
  push(source.http(), "app", image);
  expect_below_the_default(measure({"copy", source.host() + "/app:1.0", target.host() + "/app:1.0"},
                                   std::chrono::seconds(120)));
  EXPECT_EQ(differences(target.http(), "app", image), "");
}

// What bodies keep in the transport grows with the targets: fewer blobs are then in flight.
TEST(Memory, ManyTargetsStayBelowTheDefault) {
  if (shadow_memory()) GTEST_SKIP() << "the memory of a sanitizer is not the program's";
  constexpr std::size_t kTargets = 12;
  Served source;
  std::array<Served, kTargets> targets;
  const auto image = test::make_image({.layers = 32, .layer_bytes = 2 * kMiB});
  push(source.http(), "app", image);
  std::vector<std::string> arguments{"copy", source.host() + "/app:1.0"};
  for (Served& target : targets) arguments.push_back(target.host() + "/app:1.0");
  expect_below_the_default(measure(arguments, std::chrono::seconds(120)));
  for (Served& target : targets) EXPECT_EQ(differences(target.http(), "app", image), "");
}

std::optional<Asked> read_request(test::RawConnection& from) {
  Asked out{.method = {}, .target = {}, .head = from.read_head(), .body = {}};
  return out.read_request_line() ? std::optional(out) : std::nullopt;
}

bool names(const Asked& request, std::string_view part) {
  return request.path().find(part) != std::string::npos;
}

// The number after `name` in the head of a request, or 0.
std::uint64_t number(const Asked& request, std::string_view name) {
  const auto at = request.head.find(name);
  return at == std::string::npos ? 0 : std::stoull(request.head.substr(at + name.size()));
}

constexpr const char* kNotFound = "404 Not Found";

/// A source with one image, whose only layer is so many zeros, made up as they are asked for.
class ZeroSource {
 public:
  explicit ZeroSource(std::uint64_t size)
      : size_(size), layer_(digest_of_zeros(size)), server_([this](auto& c) { serve(c); }) {}

  std::string host() const { return server_.host(); }

 private:
  static std::string digest_of_zeros(std::uint64_t size) {
    const std::vector<std::byte> zeros(kMiB);
    oci::Hasher hasher(oci::Algorithm::kSha256);
    for (std::uint64_t left = size; left > 0; left -= std::min<std::uint64_t>(left, kMiB)) {
      hasher.update(std::span(zeros).first(std::min<std::uint64_t>(left, kMiB)));
    }
    return hasher.finish().to_string();
  }

  std::string manifest() const {
    const auto descriptor = [](const std::string& type, const std::string& digest,
                               std::uint64_t size) {
      return R"({"mediaType":"application/vnd.oci.)" + type + R"(","digest":")" + digest +
             R"(","size":)" + std::to_string(size) + "}";
    };
    return R"({"schemaVersion":2,"mediaType":")" + std::string(kManifestType) + R"(","config":)" +
           descriptor("image.config.v1+json", test::sha256_of("{}"), 2) + R"(,"layers":[)" +
           descriptor("image.layer.v1.tar", layer_, size_) + "]}";
  }

  void serve(test::RawConnection& connection) const {
    bool alive = true;
    while (alive) {
      const auto request = read_request(connection);
      if (!request) return;
      alive = answer(*request, connection);
    }
  }

  bool answer(const Asked& request, test::RawConnection& to) const {
    if (names(request, "/manifests/1.0") || names(request, test::sha256_of(manifest()))) {
      return to.respond("200 OK", std::string("Content-Type: ") + kManifestType + "\r\n",
                        manifest());
    }
    if (names(request, layer_)) return zeros(request, to);
    if (names(request, test::sha256_of("{}"))) return to.respond("200 OK", "", "{}");
    return to.respond(kNotFound, "", "");
  }

  bool zeros(const Asked& request, test::RawConnection& to) const {
    static const std::string kZeros(256 * 1024, '\0');
    const std::uint64_t from = number(request, "Range: bytes=");
    const std::string range = "Content-Range: bytes " + std::to_string(from) + "-" +
                              std::to_string(size_ - 1) + "/" + std::to_string(size_) + "\r\n";
    std::uint64_t left = size_ - from;
    if (!to.write("HTTP/1.1 " + (from == 0 ? "200 OK\r\n" : "206 Partial Content\r\n" + range) +
                  "Content-Length: " + std::to_string(left) + "\r\n\r\n")) {
      return false;
    }
    while (left > 0) {
      const auto part = std::min<std::uint64_t>(left, kZeros.size());
      if (!to.write(std::string_view(kZeros).substr(0, part))) return false;
      left -= part;
    }
    return true;
  }

  std::uint64_t size_;
  std::string layer_;
  test::RawServer server_;  // Last: its threads use what stands above.
};

/// A target that takes every upload, counts its bytes and keeps none of them.
class Sink {
 public:
  Sink() : server_([this](auto& c) { serve(c); }) {}

  std::string host() const { return server_.host(); }
  std::uint64_t blob_bytes() const { return blob_bytes_; }
  bool has_tag() const { return tagged_; }

 private:
  void serve(test::RawConnection& connection) {
    for (;;) {
      const auto request = read_request(connection);
      if (!request) return;
      const std::uint64_t announced = number(*request, "Content-Length: ");
      std::string last;  // All of a manifest, the end of a blob.
      for (std::uint64_t left = announced; left > 0; left -= last.size()) {
        last = connection.read_body(std::min<std::uint64_t>(left, 64 * 1024));
        if (last.empty()) return;
      }
      if (!answer(*request, announced, last, connection)) return;
    }
  }

  bool answer(const Asked& request, std::uint64_t announced, const std::string& manifest,
              test::RawConnection& to) {
    if (request.method == "POST") {
      return to.respond("202 Accepted", "Location: /v2/app/blobs/uploads/one\r\n", "");
    }
    if (request.method != "PUT") return to.respond(kNotFound, "", "");
    if (names(request, "/blobs/")) {
      blob_bytes_ += announced;
      return to.respond("201 Created", "", "");
    }
    if (names(request, "/manifests/1.0")) tagged_ = true;
    return to.respond("201 Created", "Docker-Content-Digest: " + test::sha256_of(manifest) + "\r\n",
                      "");
  }

  std::atomic<std::uint64_t> blob_bytes_{0};
  std::atomic<bool> tagged_{false};
  test::RawServer server_;  // Last: its threads use what stands above.
};

void copy_zeros(std::uint64_t size, std::chrono::seconds limit) {
  const ZeroSource source(size);
  const Sink sink;
  expect_below_the_default(
      measure({"copy", "--referrers", "none", "--plain-http", source.host(), "--plain-http",
               sink.host(), source.host() + "/app:1.0", sink.host() + "/app:1.0"},
              limit));
  EXPECT_EQ(sink.blob_bytes(), size + 2) << "the layer and the config, once each";
  EXPECT_TRUE(sink.has_tag());
}

TEST(Memory, OneBlobOfAGigabyteStaysBelowTheDefault) {
  if (shadow_memory()) GTEST_SKIP() << "the memory of a sanitizer is not the program's";
  copy_zeros(kGiB, std::chrono::seconds(120));
}

TEST(Memory, OneBlobOfTwentyGigabytesStaysBelowTheDefault) {
  if (shadow_memory()) GTEST_SKIP() << "the memory of a sanitizer is not the program's";
  if (std::getenv("TRANSSHIP_LONG_TESTS") == nullptr) {
    GTEST_SKIP() << "takes a minute or more: set TRANSSHIP_LONG_TESTS=1";
  }
  copy_zeros(20 * kGiB, std::chrono::minutes(15));
}

}  // namespace
}  // namespace transship::e2e
