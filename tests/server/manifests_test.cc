#include "server/fixture.h"

namespace transship::server {
namespace {

class Manifests : public ServerTest {
 protected:
  void SetUp() override { start(); }
};

TEST_F(Manifests, AreGivenAsTheyCame) {
  const std::string manifest = push_image("a", "v1", 1, R"(,"unknown":  [ 1 ])");
  const std::string digest = digest_text(manifest);
  for (const std::string& reference : {std::string("v1"), digest}) {
    const RawReply reply = ask("GET", "/v2/a/manifests/" + reference);
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, manifest);
    EXPECT_EQ(reply["content-type"], kManifestType);
    EXPECT_EQ(reply["docker-content-digest"], digest);
    const RawReply head = ask("HEAD", "/v2/a/manifests/" + reference);
    EXPECT_EQ(head["content-length"], std::to_string(manifest.size()));
  }
  EXPECT_EQ(ask("GET", "/v2/a/manifests/v1", "", {{"If-None-Match", '"' + digest + '"'}}).status,
            304);
  restart();
  EXPECT_EQ(ask("GET", "/v2/a/manifests/v1").body, manifest);
}

TEST_F(Manifests, AreGivenWhateverTheClientAccepts) {
  const std::string manifest = push_image("a", "v1", 1);
  for (const char* accept : {"application/vnd.docker.distribution.manifest.v1+json", "text/html",
                             "application/vnd.oci.image.index.v1+json"}) {
    const RawReply reply = ask("GET", "/v2/a/manifests/v1", "", {{"Accept", accept}});
    EXPECT_EQ(reply.status, 200) << accept;
    EXPECT_EQ(reply.body, manifest);
    EXPECT_EQ(reply["content-type"], kManifestType);
  }
}

TEST_F(Manifests, WithMissingContentAreRefused) {
  push_blob("a", "{}");
  const std::string manifest = image_manifest("{}", "layer");
  const RawReply reply = put_manifest("a", "v1", manifest);
  EXPECT_EQ(reply.status, 400);
  EXPECT_NE(reply.body.find("MANIFEST_BLOB_UNKNOWN"), std::string::npos);
  EXPECT_NE(reply.body.find(digest_text("layer")), std::string::npos);
  EXPECT_EQ(reply.body.find(digest_text("{}")), std::string::npos);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/v1").status, 404);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/" + digest_text(manifest)).status, 404);
  // The same for children of an index; a blob is no child.
  push_blob("a", "layer");
  const auto index = [](std::string_view child) {
    return fmt::format(
        R"({{"schemaVersion":2,"mediaType":"{}","manifests":[{{"mediaType":"{}","digest":"{}","size":{}}}]}})",
        kIndexType, kManifestType, digest_text(child), child.size());
  };
  EXPECT_EQ(put_manifest("a", "i", index("layer"), kIndexType).status, 400);
  EXPECT_EQ(put_manifest("a", digest_text(manifest), manifest).status, 201);
  EXPECT_EQ(put_manifest("a", "i", index(manifest), kIndexType).status, 201);
}

TEST_F(Manifests, ForeignLayersAndSubjectsMayBeMissing) {
  push_blob("a", "{}");
  const std::string manifest = fmt::format(
      R"({{"schemaVersion":2,"mediaType":"{0}","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{1}","size":2}},"layers":[{{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","digest":"{2}","size":3,"urls":["https://example.com/x"]}}],"subject":{{"mediaType":"{0}","digest":"{2}","size":3}}}})",
      kManifestType, digest_text("{}"), digest_text("abc"));
  const RawReply reply = put_manifest("a", "v1", manifest);
  EXPECT_EQ(reply.status, 201) << reply.body;
  EXPECT_EQ(reply["oci-subject"], digest_text("abc"));
}

TEST_F(Manifests, BadOnesAreRefused) {
  push_blob("a", "{}");
  push_blob("a", "layer");
  const std::string good = image_manifest("{}", "layer");
  EXPECT_EQ(put_manifest("a", "v1", "<html>").status, 400);
  EXPECT_EQ(put_manifest("a", "v1", "").status, 400);
  EXPECT_EQ(put_manifest("a", "v1", R"({"schemaVersion":2,"schemaVersion":2})").status, 400);
  EXPECT_EQ(put_manifest("a", "bad%20tag", good).status, 400);
  EXPECT_EQ(put_manifest("a", std::string(129, 'x'), good).status, 400);
  EXPECT_EQ(put_manifest("a", "sha256:baddigeststring", good).status, 400);
  const RawReply reply = put_manifest("a", digest_text("other"), good);
  EXPECT_EQ(reply.status, 400);
  EXPECT_NE(reply.body.find("DIGEST_INVALID"), std::string::npos);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/sha256:baddigeststring").status, 404);
}

TEST_F(Manifests, AboveTheLimitAre413) {
  options.limits.max_manifest_bytes = 2000;
  restart();
  EXPECT_EQ(put_manifest("a", "v1", std::string(2001, ' ')).status, 413);
  RawClient raw = client();
  raw.send(RawClient::head("PUT", "/v2/a/manifests/v1", {{"Transfer-Encoding", "chunked"}}));
  raw.send(fmt::format("{:x}\r\n{}\r\n", 3000, std::string(3000, ' ')));
  EXPECT_EQ(raw.receive().status, 413);
}

TEST_F(Manifests, OneDigestWhateverTheContentType) {
  const std::string manifest = push_image("a", "v1");
  const RawReply reply =
      put_manifest("a", "v2", manifest, "application/vnd.docker.distribution.manifest.v2+json");
  EXPECT_EQ(reply.status, 201) << reply.body;
  EXPECT_EQ(ask("GET", "/v2/a/manifests/v2")["content-type"], kManifestType);
}

TEST_F(Manifests, ManyTagsAtOnce) {
  const std::string manifest = push_image("a", "v1");
  const std::string digest = digest_text(manifest);
  std::string query = "?tag=v1";
  for (int i = 0; i < 12; ++i) query += fmt::format("&tag=t{}", i);
  const RawReply reply = put_manifest("a", digest + query, manifest);
  EXPECT_EQ(reply.status, 201);
  EXPECT_EQ(reply.tags.size(), 13U);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/t11").body, manifest);
  EXPECT_EQ(put_manifest("a", digest + "?tag=bad%2Ftag", manifest).status, 400);
}

TEST_F(Manifests, UnderSha512) {
  const std::string manifest = push_image("a", "v1");
  const std::string digest = digest_text(manifest, oci::Algorithm::kSha512);
  const RawReply reply = put_manifest("a", digest + "?tag=v512", manifest);
  EXPECT_EQ(reply["docker-content-digest"], digest);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/v512")["docker-content-digest"], digest);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/" + digest).body, manifest);
}

TEST_F(Manifests, TagsAndManifestsAreRemoved) {
  const std::string manifest = push_image("a", "v1");
  const std::string digest = digest_text(manifest);
  put_manifest("a", "v2", manifest);
  EXPECT_EQ(ask("DELETE", "/v2/a/manifests/v1").status, 202);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/v1").status, 404);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/v2").status, 200);
  EXPECT_EQ(ask("DELETE", "/v2/a/blobs/" + digest).status, 405);
  EXPECT_EQ(ask("DELETE", "/v2/a/manifests/" + digest).status, 202);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/v2").status, 404);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/" + digest).status, 404);
  EXPECT_EQ(ask("DELETE", "/v2/a/manifests/" + digest).status, 404);
  restart();
  EXPECT_EQ(ask("GET", "/v2/a/manifests/v2").status, 404);
  // And back again.
  EXPECT_EQ(put_manifest("a", "v2", manifest).status, 201);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/v2").body, manifest);
}

TEST_F(Manifests, UnknownRepositoriesAreToldApart) {
  EXPECT_NE(ask("GET", "/v2/none/manifests/x").body.find("NAME_UNKNOWN"), std::string::npos);
  push_image("a", "v1");
  EXPECT_NE(ask("GET", "/v2/a/manifests/x").body.find("MANIFEST_UNKNOWN"), std::string::npos);
  EXPECT_EQ(ask("GET", "/v2/none/tags/list").status, 404);
}

}  // namespace
}  // namespace transship::server
