// What must end in a clear error, with nothing committed.
#include <gmock/gmock.h>

#include <filesystem>

#include "e2e/answering_proxy.h"
#include "e2e/bad_registry.h"
#include "e2e/harness.h"
#include "support/http/port.h"

namespace transship::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The error named `what`, and nothing arrived.
void expect_refused(const BadRegistry& source, const BadRegistry& target,
                    const ::testing::Matcher<std::string>& what) {
  const auto copied = transship({"copy", source.host() + "/app:1.0", target.host() + "/app:1.0"});
  EXPECT_EQ(copied.code, 1) << shown(copied);
  EXPECT_THAT(copied.out + copied.err, what);
  EXPECT_FALSE(target.put_manifests().contains("1.0"));
}

BadRegistry::Fault answer_for(const std::string& part, const std::string& status,
                              const std::string& fields, const std::string& body) {
  return [=](const Asked& asked) -> std::optional<std::string> {
    if (asked.target.find(part) == std::string::npos) return std::nullopt;
    return BadRegistry::answer(status, fields + "Connection: close\r\n", body);
  };
}

// A blob that has other bytes than its digest says.
BadRegistry::Fault lie_about(const std::string& digest, const std::string& bytes) {
  return [=](const Asked& asked) -> std::optional<std::string> {
    if (!asked.is("GET", "/blobs/" + digest)) return std::nullopt;
    return BadRegistry::answer("200 OK", "", bytes);
  };
}

TEST(BadReferences, AreUsage) {
  for (const std::string reference :
       {"", "::", "host:port/app:1", "127.0.0.1:1/App:1", "127.0.0.1:1/../etc:1",
        "127.0.0.1:1/app@sha256:short", "127.0.0.1:1/app:", "oci:", "127.0.0.1:99999/app:1"}) {
    const auto out = transship({"copy", reference, "127.0.0.1:1/app:1"});
    EXPECT_EQ(out.code, 2) << reference << "\n" << shown(out);
    EXPECT_NE(out.err, "") << reference;
  }
  EXPECT_EQ(transship({"copy", "127.0.0.1:1/app:1"}).code, 2);
  EXPECT_EQ(transship({"nonsense"}).code, 2);
}

// What a host does not mount is read from it and written to it at once, over one connection each.
TEST(BadLimits, OneConnectionIsTooFewWithinAHostAndTwoAreEnough) {
  Served registry;
  const auto image = test::make_image({.layers = 2, .layer_bytes = 5U << 20U});
  push(registry.http(), "app", image);
  AnsweringProxy front(registry.port(), [](const Asked& asked) -> std::optional<std::string> {
    if (asked.query().find("mount=") == std::string::npos) return std::nullopt;
    return BadRegistry::answer("404 Not Found", "", "");
  });
  const auto copy = [&](const std::string& connections) {
    return transship({"copy", front.host() + "/app:1.0", front.host() + "/copy:1.0",
                      "--max-connections", connections});
  };
  const auto refused = copy("1");
  EXPECT_EQ(refused.code, 2) << shown(refused);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("2 connections"), HasSubstr("--max-connections")));
  ASSERT_DONE(copy("2"));
  EXPECT_EQ(differences(registry.http(), "copy", image), "");
}

TEST(BadHosts, AreNamed) {
  const test::Port nobody;
  const auto refused = transship({"inspect", nobody.host() + "/app:1"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr(nobody.host()));

  const auto unknown = transship({"inspect", "no-such-host.invalid/app:1"});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("no-such-host.invalid"));
}

TEST(BadAnswers, WhatIsMissingIsToldApart) {
  Served source, target;
  push(source.http(), "app", test::make_image({}));
  const auto no_tag = transship({"copy", source.host() + "/app:9.9", target.host() + "/app:9.9"});
  EXPECT_EQ(no_tag.code, 1);
  EXPECT_THAT(no_tag.err + no_tag.out, HasSubstr("9.9"));
  const auto no_repository =
      transship({"copy", source.host() + "/none:1.0", target.host() + "/none:1.0"});
  EXPECT_EQ(no_repository.code, 1);
  EXPECT_THAT(no_repository.err + no_repository.out, HasSubstr("/none"));
}

TEST(BadAnswers, ABlobThatIsNotWhatItsDigestSays) {
  const auto image = test::make_image({.layers = 2, .layer_bytes = 200'000});
  const std::string digest = test::sha256_of(image.blobs[0]);
  std::string lie = image.blobs[0];
  lie[100'000] = static_cast<char>(lie[100'000] ^ 1);
  BadRegistry source(image, lie_about(digest, lie)), target;
  expect_refused(source, target, HasSubstr(digest.substr(0, 20)));
  EXPECT_FALSE(target.put_blobs().contains(digest))
      << "it verifies nothing: the body's end must not reach it";
}

TEST(BadAnswers, BodiesThatAreTooShortOrTooLong) {
  const auto image = test::make_image({.layers = 2, .layer_bytes = 50'000});
  for (const std::string& lie : {image.blobs[0].substr(1), image.blobs[0] + "x", std::string()}) {
    const std::string digest = test::sha256_of(image.blobs[0]);
    BadRegistry source(image, lie_about(digest, lie)), target;
    expect_refused(source, target, HasSubstr("sha256:"));
    EXPECT_FALSE(target.put_blobs().contains(digest)) << lie.size();
  }
}

TEST(BadAnswers, ManifestsThatAreNotWhatTheyShouldBe) {
  const auto image = test::make_image({});
  const std::string oci = "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n";
  struct Case {
    std::string name, fields, body;
  };
  const std::string good = image.manifests[0].bytes;
  const std::vector<Case> cases = {
      {"html", "Content-Type: text/html\r\n", "<html>log in first</html>"},
      {"no json", oci, "{"},
      {"empty", oci, ""},
      {"duplicate key", oci, R"({"schemaVersion":2,"layers":[],)" + good.substr(1)},
      {"not utf-8", oci, good.substr(0, good.size() - 1) + ",\"x\":\"\xff\xfe\"}"},
      {"schema 1", "Content-Type: application/vnd.docker.distribution.manifest.v1+json\r\n",
       R"({"schemaVersion":1,"name":"app","fsLayers":[]})"},
      {"deep", oci, std::string(100'000, '[')},
      {"other digest", oci + "Docker-Content-Digest: " + test::sha256_of("other") + "\r\n", good},
      {"too large", oci, good + std::string(5U << 20U, ' ')},
  };
  for (const auto& one : cases) {
    BadRegistry source(image, answer_for("/manifests/1.0", "200 OK", one.fields, one.body)), target;
    SCOPED_TRACE(one.name);
    expect_refused(source, target, HasSubstr("app"));
    EXPECT_TRUE(target.nothing_put());
  }
}

TEST(BadAnswers, StatusesAreNamed) {
  for (const std::string status : {"401 Unauthorized", "403 Forbidden", "405 Method Not Allowed"}) {
    BadRegistry source({}, answer_for("/v2/app", status, "", "{}")), target;
    expect_refused(source, target, HasSubstr(status.substr(0, 3)));
    EXPECT_TRUE(target.nothing_put());
  }
}

TEST(BadAnswers, RedirectsThatLeadNowhereGood) {
  const auto image = test::make_image({});
  for (const std::string where : {"/v2/app/blobs/loop", "file:///etc/passwd", "http://"}) {
    BadRegistry source(
        image, answer_for("/blobs/", "307 Temporary Redirect", "Location: " + where + "\r\n", "")),
        target;
    SCOPED_TRACE(where);
    expect_refused(source, target, Not(HasSubstr("root:x:")));
    EXPECT_TRUE(target.nothing_put());
  }
}

TEST(BadTargets, AManifestThatIsRejectedAfterItsBlobs) {
  Served source;
  BadRegistry target({}, [](const Asked& asked) -> std::optional<std::string> {
    if (!asked.is("PUT", "/manifests/")) return std::nullopt;
    return BadRegistry::error("400 Bad Request", "MANIFEST_INVALID", "house rule 7");
  });
  push(source.http(), "app", test::make_image({}));
  const auto copied = transship({"copy", source.host() + "/app:1.0", target.host() + "/app:1.0"});
  EXPECT_EQ(copied.code, 1);
  EXPECT_THAT(copied.out + copied.err,
              AllOf(HasSubstr("house rule 7"), HasSubstr(target.host() + "/app")));
}

TEST(BadTargets, NeverOverwriteLeavesOtherTagsAlone) {
  Served source, target;
  const auto old_image = test::make_image({.seed = 1});
  const auto new_image = test::make_image({.seed = 2});
  push(source.http(), "app", new_image);
  push(target.http(), "app", old_image);
  const auto copied = transship(
      {"copy", "--overwrite", "never", source.host() + "/app:1.0", target.host() + "/app:1.0"});
  EXPECT_THAT(copied.out + copied.err, HasSubstr("1.0"));
  EXPECT_EQ(differences(target.http(), "app", old_image), "") << shown(copied);
}

TEST(BadTargets, ADryRunWritesNothing) {
  Served source, target;
  push(source.http(), "app", test::make_release({}, false));
  const auto before = target.log().size();
  const auto planned =
      transship({"copy", "--dry-run", source.host() + "/app:1.0", target.host() + "/app:1.0"});
  ASSERT_DONE(planned);
  for (const auto& request : target.log().after(before).all()) {
    EXPECT_TRUE(request.method == "GET" || request.method == "HEAD")
        << request.method << " " << request.target;
  }
}

TEST(BadServe, SaysWhatToChange) {
  Served first;
  const auto taken =
      transship({"serve", (first.directory() / "other").string(), "--listen", first.host()});
  EXPECT_NE(taken.code, 0);
  EXPECT_THAT(taken.err, HasSubstr(std::to_string(first.port())));

  const auto locked = transship({"serve", first.root(), "--listen", "127.0.0.1:0"});
  EXPECT_NE(locked.code, 0);
  EXPECT_THAT(locked.err, HasSubstr(first.root()));

  const TempDir directory;
  const auto file = directory.write("a-file", "x");
  const auto no_directory = transship({"serve", file, "--listen", "127.0.0.1:0"});
  EXPECT_NE(no_directory.code, 0);
  EXPECT_THAT(no_directory.err, HasSubstr(file));

  EXPECT_EQ(transship({"serve", (directory / "d").string(), "--listen", "nonsense"}).code, 2);
}

}  // namespace
}  // namespace transship::e2e
