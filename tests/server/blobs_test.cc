#include "server/fixture.h"

namespace transship::server {
namespace {

class Blobs : public ServerTest {
 protected:
  Blobs() : blob(some_bytes(10'000)), path("/v2/a/b/blobs/" + digest_text(blob)) {}
  void SetUp() override {
    start();
    push_blob("a/b", blob);
  }
  RawReply range(std::string_view value) const {
    return ask("GET", path, "", {{"Range", std::string(value)}});
  }
  std::string blob, path;
};

TEST_F(Blobs, AreGivenWhole) {
  const RawReply reply = ask("GET", path);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, blob);
  EXPECT_EQ(reply["docker-content-digest"], digest_text(blob));
  EXPECT_EQ(reply["content-type"], "application/octet-stream");
  EXPECT_EQ(reply["accept-ranges"], "bytes");
  const RawReply head = ask("HEAD", path);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head["content-length"], "10000");
}

TEST_F(Blobs, AreGivenInRanges) {
  struct Case {
    const char* header;
    int status;
    std::size_t first, length;
    const char* content_range;
  };
  for (const Case& c : {Case{"bytes=500-1499", 206, 500, 1000, "bytes 500-1499/10000"},
                        {"bytes=500-", 206, 500, 9500, "bytes 500-9999/10000"},
                        {"bytes=-500", 206, 9500, 500, "bytes 9500-9999/10000"},
                        {"bytes=-20000", 206, 0, 10000, "bytes 0-9999/10000"},
                        {"bytes=9000-20000", 206, 9000, 1000, "bytes 9000-9999/10000"},
                        {"bytes=0-0", 206, 0, 1, "bytes 0-0/10000"},
                        {"bytes=500-0", 416, 0, 0, "bytes */10000"},
                        {"bytes=10000-", 416, 0, 0, "bytes */10000"},
                        {"bytes=-0", 416, 0, 0, "bytes */10000"},
                        {"bytes=0-1,3-4", 200, 0, 10000, ""},
                        {"bytes=x-y", 200, 0, 10000, ""},
                        {"bytes=99999999999999999999-", 200, 0, 10000, ""},
                        {"lines=0-1", 200, 0, 10000, ""}}) {
    const RawReply reply = range(c.header);
    EXPECT_EQ(reply.status, c.status) << c.header;
    EXPECT_EQ(reply["content-range"], c.content_range) << c.header;
    if (c.status != 416) EXPECT_EQ(reply.body, blob.substr(c.first, c.length)) << c.header;
  }
}

// RFC 9110 13.1.5: the part only of what it is a part of, else the whole.
TEST_F(Blobs, AreGivenWholeToWhoHasAPartOfAnother) {
  const std::string etag = '"' + digest_text(blob) + '"';
  const auto asked = [&](const std::string& if_range) {
    return ask("GET", path, "", {{"Range", "bytes=500-1499"}, {"If-Range", if_range}});
  };
  const RawReply part = asked(etag);
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, blob.substr(500, 1000));
  for (const std::string& other :
       {'"' + digest_text("other") + '"', "W/" + etag, digest_text(blob),
        std::string("Mon, 23 Nov 2026 21:35:58 GMT"), etag + ", " + etag}) {
    const RawReply whole = asked(other);
    EXPECT_EQ(whole.status, 200) << other;
    EXPECT_EQ(whole["content-range"], "") << other;
    EXPECT_EQ(whole.body, blob) << other;
  }
  // A range that cannot be is not looked at either; without a Range the field says nothing.
  EXPECT_EQ(ask("GET", path, "", {{"Range", "bytes=20000-"}, {"If-Range", "\"x\""}}).status, 200);
  EXPECT_EQ(ask("GET", path, "", {{"If-Range", etag}}).body, blob);
}

TEST_F(Blobs, AreNotSentAgainToWhoHasThem) {
  EXPECT_EQ(ask("GET", path, "", {{"If-None-Match", '"' + digest_text(blob) + '"'}}).status, 304);
}

TEST_F(Blobs, UnknownOnesAre404) {
  const RawReply reply = ask("GET", "/v2/a/b/blobs/" + digest_text("other"));
  EXPECT_EQ(reply.status, 404);
  EXPECT_NE(reply.body.find("BLOB_UNKNOWN"), std::string::npos);
  EXPECT_EQ(ask("GET", "/v2/none/blobs/" + digest_text(blob)).status, 404);
  EXPECT_EQ(ask("GET", "/v2/a/b/blobs/sha256:short").status, 400);
  EXPECT_EQ(ask("GET", "/v2/a/b/blobs/md5:d41d8cd98f00b204e9800998ecf8427e").status, 400);
}

TEST_F(Blobs, AreRemovedAtOnce) {
  EXPECT_EQ(ask("DELETE", path).status, 202);
  EXPECT_EQ(ask("HEAD", path).status, 404);
  EXPECT_EQ(ask("DELETE", path).status, 404);
}

TEST_F(Blobs, AreMountedAsHardLinks) {
  const std::string digest = digest_text(blob);
  const RawReply reply = ask("POST", "/v2/c/blobs/uploads/?mount=" + digest + "&from=a/b");
  EXPECT_EQ(reply.status, 201);
  EXPECT_EQ(reply["location"], "/v2/c/blobs/" + digest);
  EXPECT_EQ(ask("GET", "/v2/c/blobs/" + digest).body, blob);
  const auto file = options.root / "c/blobs/sha256" / oci::digest_of(blob).hex();
  EXPECT_EQ(std::filesystem::hard_link_count(file), 2U);
  // The mounted one outlives its source.
  EXPECT_EQ(ask("DELETE", path).status, 202);
  EXPECT_EQ(ask("GET", "/v2/c/blobs/" + digest).body, blob);
}

TEST_F(Blobs, AreMountedFromAnywhere) {
  const std::string digest = digest_text(blob);
  EXPECT_EQ(ask("POST", "/v2/c/blobs/uploads/?mount=" + digest).status, 201);
  restart();
  EXPECT_EQ(ask("POST", "/v2/d/blobs/uploads/?mount=" + digest).status, 201);
  EXPECT_EQ(ask("GET", "/v2/d/blobs/" + digest).body, blob);
}

TEST_F(Blobs, AMountThatFailsOpensASession) {
  for (const char* from : {"&from=unknown", "&from=..%2fa", "&from=c", ""}) {
    const RawReply reply =
        ask("POST", "/v2/c/blobs/uploads/?mount=" + digest_text("nobody has it") + from);
    EXPECT_EQ(reply.status, 202) << from;
    EXPECT_TRUE(reply["location"].starts_with("/v2/c/blobs/uploads/"));
  }
  // Another repository than the one that has it; and the question whether it is here already.
  const std::string digest = digest_text(blob);
  EXPECT_EQ(ask("POST", "/v2/c/blobs/uploads/?mount=" + digest + "&from=c").status, 202);
  EXPECT_EQ(ask("POST", "/v2/a/b/blobs/uploads/?mount=" + digest + "&from=a/b").status, 201);
}

}  // namespace
}  // namespace transship::server
