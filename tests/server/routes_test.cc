#include <fcntl.h>

#include <fstream>

#include "base/text.h"
#include "oci/names.h"
#include "server/fixture.h"
#include "server/http/request.h"

namespace transship::server {
namespace {

TEST(Route, IsAnchoredAtTheEnd) {
  const Route where = route("/v2/a/blobs/b/manifests/latest");
  EXPECT_EQ(where.resource, Resource::kManifest);
  EXPECT_EQ(where.name, "a/blobs/b");
  EXPECT_EQ(where.reference, "latest");
  EXPECT_EQ(route("/v2/a/tags/list").resource, Resource::kTags);
  EXPECT_EQ(route("/v2/a/tags/list/tags/list").name, "a/tags/list");
  EXPECT_EQ(route("/v2/a/blobs/uploads/").resource, Resource::kUploads);
  EXPECT_EQ(route("/v2/a/blobs/uploads").resource, Resource::kUploads);
  EXPECT_EQ(route("/v2/a/blobs/uploads/0123").resource, Resource::kUpload);
  EXPECT_EQ(route("/v2/a/blobs/sha256%3Aab").reference, "sha256:ab");
  EXPECT_EQ(route("/v2/").resource, Resource::kPing);
  EXPECT_EQ(route("/v2").resource, Resource::kPing);
  EXPECT_EQ(route("/v2/_catalog?n=1").resource, Resource::kCatalog);
}

TEST(Route, RefusesWhatIsNoPath) {
  for (const char* target :
       {"/", "/v1/", "*", "/v2/a", "/v2//manifests/x%", "/v2/manifests/x", "/v2/a/../b/manifests/x",
        "/v2/a/%2e%2e/b/manifests/x", "/v2/a/./manifests/x", "/v2/a%00/manifests/x",
        "/v2/a%2Fb/manifests/x", "/v2/a/manifests%2fx", "//v2/a/manifests/x", "/v2/a/manifests/x/",
        "/v2/a/tags/list/", "/v2/_catalog/"}) {
    EXPECT_EQ(route(target).resource, Resource::kNone) << target;
  }
}

TEST(Route, ReadsParameters) {
  const Route where = route("/v2/a/manifests/sha256:00?tag=x&tag=y%2Bz&n=");
  EXPECT_EQ(where.parameters("tag"), (std::vector<std::string>{"x", "y+z"}));
  EXPECT_EQ(where.parameter("n"), "");
  EXPECT_FALSE(where.parameter("last"));
}

TEST_F(ServerTest, AnswersThePing) {
  start();
  const RawReply reply = ask("GET", "/v2/");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply["docker-distribution-api-version"], "registry/2.0");
  EXPECT_FALSE(reply["date"].empty());
}

TEST_F(ServerTest, RefusesUnknownPathsAndMethods) {
  start();
  EXPECT_EQ(ask("GET", "/").status, 404);
  EXPECT_EQ(ask("GET", "/v2/a/b").status, 404);
  const RawReply reply = ask("POST", "/v2/a/manifests/x");
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(reply["allow"], "GET, HEAD, PUT, DELETE");
  EXPECT_NE(reply.body.find("UNSUPPORTED"), std::string::npos);
  EXPECT_EQ(ask("DELETE", "/v2/a/tags/list")["allow"], "GET, HEAD");
}

TEST_F(ServerTest, RefusesNamesThatMeetTheLayoutsFiles) {
  start();
  for (const char* name : {"blobs", "a/blobs", "a/index.json", "oci-layout/b", "A", "a//b",
                           "_uploads", "a/_log", ".hidden", "a/"}) {
    const RawReply reply = ask("POST", fmt::format("/v2/{}/blobs/uploads/", name));
    EXPECT_EQ(reply.status, 400) << name;
    EXPECT_NE(reply.body.find("NAME_INVALID"), std::string::npos) << name;
  }
  EXPECT_EQ(ask("GET", fmt::format("/v2/{}/tags/list", std::string(300, 'a'))).status, 400);
}

TEST_F(ServerTest, NeverLeavesItsTree) {
  start();
  push_image("a", "v1");
  const std::string secret = "secret";
  const auto outside = make_directory();
  std::ofstream(outside / "file") << secret;
  for (const char* target :
       {"/v2/a/blobs/sha256:../../../etc/passwd", "/v2/a/blobs/sha256:..%2f..%2fa",
        "/v2/..%2f..%2fetc/blobs/sha256:00", "/v2/a/blobs/uploads/..%2f_lock",
        "/v2/%2e%2e/%2e%2e/manifests/x", "/v2/a/manifests/..%2findex.json"}) {
    const int status = ask("GET", target).status;
    EXPECT_TRUE(status == 400 || status == 404) << target << " " << status;
  }
  // A symbolic link in the tree is not followed, wherever it stands.
  const std::string hex = oci::digest_of(secret).hex();
  const auto blobs = options.root / "a/blobs/sha256";
  std::filesystem::create_symlink(outside / "file", blobs / hex);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/sha256:" + hex).status, 404);
  std::filesystem::create_directories(outside / "blobs/sha256");
  std::filesystem::copy_file(outside / "file", outside / "blobs/sha256" / hex);
  std::filesystem::create_directory_symlink(outside, options.root / "linked");
  EXPECT_EQ(ask("GET", "/v2/linked/blobs/sha256:" + hex).status, 404);
  const RawReply upload = ask("POST", "/v2/linked/blobs/uploads/?digest=" + digest_text("x"), "x");
  EXPECT_GE(upload.status, 400);
  EXPECT_FALSE(std::filesystem::exists(outside / "oci-layout"));
  std::filesystem::remove_all(outside);
}

// All that is below a directory.
std::vector<std::string> everything_in(const std::filesystem::path& directory) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    out.push_back(entry.path().lexically_relative(directory).string());
  }
  std::ranges::sort(out);
  return out;
}

// Paths that mean nothing, or something only to who decodes them too late or too often.
std::vector<std::string> strange_paths() {
  std::vector<std::string> out = {
      "//v2/a/manifests/v1",   "/v2//a/manifests/v1", "/v2/a//manifests/v1",  "/v2/a/manifests//v1",
      "/v2/a//blobs/uploads/", "/v2//blobs/uploads/", "/v2/blobs/uploads/",   "/v2/a/manifests/v1/",
      "/v2/a/manifests/",      "/v2/a/manifests",     "/v2/a/blobs/",         "/v2/a/tags/list/",
      "/v2/_catalog/",         "/v2/a/referrers/",    "/v2/a/blobs/uploads//"};
  const std::vector<std::string> tricks = {"%2e%2e",
                                           "%2e%2e%2fa",
                                           "..%2fa",
                                           "..%2F..%2Fa",
                                           "a%2fb",
                                           "%2fa",
                                           "a%2f",
                                           "..%5c..",
                                           "%252e%252e",
                                           ".%2e",
                                           "%c0%ae%c0%ae",
                                           "a%00b",
                                           "a%0ab",
                                           "a%",
                                           "a%zz",
                                           "%ff",
                                           "a%20b",
                                           "..;",
                                           "a%2e",
                                           "%2ea",
                                           std::string(256, 'a'),
                                           std::string(129, '-'),
                                           std::string(60'000, 'a')};
  for (const std::string& trick : tricks) {
    for (const char* form :
         {"/v2/{}/blobs/uploads/", "/v2/a/{}/blobs/uploads/", "/v2/{}/manifests/v1",
          "/v2/{}/blobs/sha256:00", "/v2/{}/tags/list", "/v2/a/blobs/uploads/{}", "/v2/a/blobs/{}",
          "/v2/a/blobs/sha256:{}", "/v2/a/referrers/{}"}) {
      out.push_back(fmt::format(fmt::runtime(form), trick));
    }
    // Some are tags as any other.
    if (!oci::Tag::parse(percent_decode(trick).value_or("/"))) {
      out.push_back("/v2/a/manifests/" + trick);
    }
    out.push_back("/v2/a/manifests/sha256:" + trick);
    out.push_back("/v2/a/blobs/uploads/?mount=sha256:" + trick + "&from=a");
    out.push_back("/v2/a/blobs/uploads/?digest=sha256:" + trick);
  }
  return out;
}

TEST_F(ServerTest, StrangePathsAreRefusedAndLeaveNothing) {
  options.fold_after = std::chrono::hours(1);
  start();
  const std::string manifest = push_image("a", "v1");
  const auto before = everything_in(options.root);
  for (const std::string& path : strange_paths()) {
    for (const char* method : {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"}) {
      const int status = ask(method, path, "body").status;
      EXPECT_TRUE(status == 400 || status == 404 || status == 405)
          << status << " " << method << " " << path.substr(0, 200);
    }
  }
  EXPECT_EQ(put_manifest("a", digest_text(manifest) + "?tag=..%2fx", manifest).status, 400);
  EXPECT_EQ(everything_in(options.root), before);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/v1").body, manifest);
}

TEST_F(ServerTest, OneServerATree) {
  start();
  auto second = ServerThread::start(options);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kConflict);
}

TEST_F(ServerTest, RefusesAPortInUse) {
  start();
  Options other;
  other.root = make_directory();
  other.port = server->endpoint().port;
  auto second = ServerThread::start(other);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kConnect);
  std::filesystem::remove_all(other.root);
}

TEST_F(ServerTest, WritesAnAccessLog) {
  options.access_log = options.root / "_access";
  start();
  const std::string layer = some_bytes(5000);
  push_blob("team/a", layer);
  EXPECT_EQ(
      ask("GET", "/v2/team/a/blobs/" + digest_text(layer), "", {{"User-Agent", "te\"st 1"}}).body,
      layer);
  ASSERT_TRUE(server->stop());
  std::ifstream file(options.access_log);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], "POST /v2/team/a/blobs/uploads/ 202 0 0 \"\" -");
  EXPECT_NE(lines[1].find(" 201 5000 0 "), std::string::npos) << lines[1];
  EXPECT_EQ(lines[2],
            fmt::format("GET /v2/team/a/blobs/{} 200 0 5000 \"te_st 1\" -", digest_text(layer)));
}

}  // namespace
}  // namespace transship::server
