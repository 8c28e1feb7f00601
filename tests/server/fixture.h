#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "oci/digest.h"
#include "server/raw_client.h"
#include "server/server_thread.h"

namespace transship::server {

inline std::filesystem::path make_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "ts-server-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  return name;
}

inline std::string some_bytes(std::size_t size, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

inline std::string digest_text(std::string_view bytes,
                               oci::Algorithm algorithm = oci::Algorithm::kSha256) {
  return oci::digest_of(bytes, algorithm).to_string();
}

inline constexpr std::string_view kManifestType = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kIndexType = "application/vnd.oci.image.index.v1+json";

/// An image manifest over one config and one layer; `extra`: further fields, with a leading comma.
inline std::string image_manifest(std::string_view config, std::string_view layer,
                                  std::string_view extra = "") {
  return fmt::format(
      R"({{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}","size":{}}}]{}}})",
      kManifestType, digest_text(config), config.size(), digest_text(layer), layer.size(), extra);
}

/// A registry in a fresh directory, in this process. Options may be changed before `start`.
class ServerTest : public testing::Test {
 protected:
  ServerTest() { options.root = make_directory(); }
  ~ServerTest() override {
    server.reset();
    std::filesystem::remove_all(options.root);
  }

  void start() {
    auto started = ServerThread::start(options);
    ASSERT_TRUE(started) << started.error().describe();
    server = std::move(*started);
  }
  void restart() {
    server.reset();
    start();
  }
  RawClient client() const { return RawClient(server->endpoint().port); }

  /// One request over a connection of its own.
  RawReply ask(std::string_view method, std::string_view target, std::string_view body = {},
               RawClient::Headers headers = {}) const {
    return client().request(method, target, body, std::move(headers));
  }
  /// The path of a fresh upload session.
  std::string open_upload(std::string_view repository) const {
    const RawReply reply = ask("POST", fmt::format("/v2/{}/blobs/uploads/", repository));
    EXPECT_EQ(reply.status, 202);
    return reply["location"];
  }
  void push_blob(std::string_view repository, std::string_view bytes) const {
    const std::string path = open_upload(repository);
    const RawReply reply = ask("PUT", path + "?digest=" + digest_text(bytes), bytes);
    ASSERT_EQ(reply.status, 201) << reply.body;
  }
  RawReply put_manifest(std::string_view repository, std::string_view reference,
                        std::string_view bytes, std::string_view type = kManifestType) const {
    return ask("PUT", fmt::format("/v2/{}/manifests/{}", repository, reference), bytes,
               {{"Content-Type", std::string(type)}});
  }
  /// Config, layer and manifest; returns the manifest's bytes.
  std::string push_image(std::string_view repository, std::string_view tag, unsigned seed = 1,
                         std::string_view extra = "") const {
    const std::string config = "{}";
    const std::string layer = some_bytes(1000, seed);
    push_blob(repository, config);
    push_blob(repository, layer);
    std::string manifest = image_manifest(config, layer, extra);
    const RawReply reply = put_manifest(repository, tag, manifest);
    EXPECT_EQ(reply.status, 201) << reply.body;
    return manifest;
  }

  Options options;
  std::unique_ptr<ServerThread> server;
};

/// The same over both ways to write files.
class BothBackends : public ServerTest, public testing::WithParamInterface<FileBackend> {
 protected:
  BothBackends() { options.io = GetParam(); }
};

}  // namespace transship::server
