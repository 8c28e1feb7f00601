// Remote text in the terminal and the log: no escape sequence, no line of its own.
#include <gmock/gmock.h>

#include "e2e/sync/sync_rig.h"

namespace transship::e2e {
namespace {

// As a hostile registry sends them: in a header, in plain text, and as JSON writes them.
const std::string kRaw = "\x1b[31mEVIL\x07";
const std::string kText = kRaw + "\nINJECTED\r\nINJECTED \xc2\x9b";
const std::string kJson = R"(\u001b[31mEVIL\nINJECTED\r\u009b2J\u0007)";

class HarmlessOutput : public SyncRig {
 protected:
  static void expect_harmless(const Outcome& outcome, const std::string& what) {
    SCOPED_TRACE(what);
    const std::string all = outcome.out + "\n" + outcome.err;
    for (const char c : {'\x1b', '\r', '\x07'}) {
      EXPECT_EQ(all.find(c), std::string::npos) << shown(outcome);
    }
    EXPECT_EQ(all.find("\xc2\x9b"), std::string::npos) << shown(outcome);  // CSI as one character.
    EXPECT_EQ(all.find("\nINJECTED"), std::string::npos) << shown(outcome);
  }
};

TEST_F(HarmlessOutput, ErrorsOfRegistriesAreOneLineOfPlainText) {
  const std::string json = "Content-Type: application/json\r\n";
  const std::vector<std::pair<std::string, std::string>> answers = {
      {"an error's message",
       BadRegistry::answer("403 Forbidden", json,
                           R"({"errors":[{"code":"DENIED","message":")" + kJson + R"("}]})")},
      {"an error's code",
       BadRegistry::answer("400 Bad Request", json,
                           R"({"errors":[{"code":")" + kJson + R"(","message":"m"}]})")},
      {"plain text", BadRegistry::answer("400 Bad Request", "Content-Type: text/plain\r\n", kText)},
      {"a content type",
       BadRegistry::answer("418 Teapot", "Content-Type: a/" + kRaw + "\r\n", "x")},
      {"a redirect",
       BadRegistry::answer("307 Temporary Redirect", "Location: http://" + kRaw + "/\r\n", "")},
      {"a challenge",
       BadRegistry::answer("401 Unauthorized",
                           "WWW-Authenticate: Bearer realm=\"http://x/" + kRaw + "\"\r\n", "")},
      {"a warning",
       BadRegistry::answer("404 Not Found", "Warning: 299 - \"" + kRaw + "\"\r\n" + json,
                           R"({"errors":[{"code":"NAME_UNKNOWN"}]})")}};
  Served source, eu;
  push_image(source, "app", "v1", 1);
  for (const auto& [what, bytes] : answers) {
    AnsweringProxy evil(source.port(), [&](const Asked& asked) -> std::optional<std::string> {
      if (!asked.is("GET", "/manifests/") && !asked.is("HEAD", "/manifests/")) return std::nullopt;
      return bytes;
    });
    const std::string file = job(evil.host(), {eu.host()});
    const Pass done = pass(file, {"-v", "-v"});
    EXPECT_EQ(done.outcome.code, 1) << what << shown(done.outcome);
    expect_harmless(done.outcome, what);
  }
}

TEST_F(HarmlessOutput, ListsOfNamesAreOneLineOfPlainText) {
  Served source, eu;
  push_image(source, "app", "v1", 1);
  AnsweringProxy evil(source.port(), [](const Asked& asked) -> std::optional<std::string> {
    if (asked.path().ends_with("/tags/list")) {
      return BadRegistry::answer("200 OK", "Content-Type: application/json\r\n",
                                 R"({"name":"app","tags":["v1",")" + kJson + R"("]})");
    }
    if (asked.path().ends_with("/_catalog")) {
      return BadRegistry::answer("200 OK", "Content-Type: application/json\r\n",
                                 R"({"repositories":["app",")" + kJson + R"("]})");
    }
    return std::nullopt;
  });
  const Pass done = pass(job(evil.host(), {eu.host()}), {"-v"});
  EXPECT_DONE(done.outcome);
  expect_harmless(done.outcome, "lists");
  EXPECT_EQ(lacking(eu, "app", "v1", 1), "");
}

TEST_F(HarmlessOutput, WhatManifestsSayOfThemselvesIsPlainText) {
  const std::string manifest =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
      R"("artifactType":"application/x)" +
      kJson + R"(","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":")" +
      test::sha256_of("{}") + R"(","size":2},"layers":[{"mediaType":"a/)" + kJson +
      R"(","digest":")" + test::sha256_of("{}") +
      R"(","size":2,"annotations":{"org.opencontainers.)"
      R"(image.title":")" +
      kJson + R"("}}],"annotations":{"title":")" + kJson + R"("}})";
  Served source;
  AnsweringProxy evil(source.port(), [&](const Asked& asked) -> std::optional<std::string> {
    if (asked.path().find("/manifests/v1") == std::string::npos) return std::nullopt;
    return BadRegistry::answer("200 OK",
                               "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n"
                               "Docker-Content-Digest: " +
                                   test::sha256_of(manifest) + "\r\n",
                               manifest);
  });
  for (const std::string command : {"inspect", "tree"}) {
    expect_harmless(transship({command, evil.host() + "/app:v1"}, home_), command);
  }
}

// An artifact type, annotations and tags that would break a line, all the way: read, listed,
// written by API and under a fallback tag, compared, drawn.
TEST_F(HarmlessOutput, WhatReferrersAndTagsSayIsInNoHeaderAndNoQuery) {
  Served source, api, plain;
  push_image(source, "app", "v1", 1);
  push(source.http(), "app", TestContent{.blobs = {"{}"}, .manifests = {}, .root = {}});
  const test::TestManifest root = image("v1", 1).manifests.back();
  const std::string type = R"("application/x)" + kJson + R"(")";
  const std::string notes = R"({"note)" + kJson + R"(":")" + kJson + R"("})";
  const std::string empty =
      R"({"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":")" +
      test::sha256_of("{}") + R"("})";
  const std::string referrer =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
      R"("artifactType":)" +
      type + R"(,"config":)" + empty + R"(,"layers":[)" + empty + R"(],"subject":{"mediaType":")" +
      root.media_type + R"(","digest":")" + root.digest + R"(","size":)" +
      std::to_string(root.bytes.size()) + R"(},"annotations":)" + notes + "}";
  const std::string digest = test::sha256_of(referrer);
  AnsweringProxy evil(source.port(), [&](const Asked& asked) -> std::optional<std::string> {
    if (asked.path().ends_with("/referrers/" + root.digest)) {
      return BadRegistry::answer(
          "200 OK", "Content-Type: application/vnd.oci.image.index.v1+json\r\n",
          R"({"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1)"
          R"(+json","digest":")" +
              digest + R"(","size":)" + std::to_string(referrer.size()) + R"(,"artifactType":)" +
              type + R"(,"annotations":)" + notes + "}]}");
    }
    if (asked.path().ends_with("/manifests/" + digest)) {
      return BadRegistry::answer(
          "200 OK", "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n", referrer);
    }
    if (asked.path().ends_with("/tags/list")) {
      return BadRegistry::answer("200 OK", "Content-Type: application/json\r\n",
                                 R"({"name":"app","tags":["v1","v1)" + kJson + R"("]})");
    }
    return std::nullopt;
  });
  AnsweringProxy to_api(api.port(), {});
  AnsweringProxy to_plain(plain.port(), [](const Asked& asked) -> std::optional<std::string> {
    if (asked.path().find("/referrers/") == std::string::npos) return std::nullopt;
    return BadRegistry::answer("404 Not Found", "");
  });
  const std::string from = evil.host() + "/app:v1";
  const std::string file = job(evil.host(), {to_api.host(), to_plain.host()},
                               "repositories = { include = [\"app\"] }\n");
  expect_harmless(pass(file, {"-v", "-v"}).outcome, "sync");
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"copy", from, to_api.host() + "/two:v1", "-v", "-v"},
        std::vector<std::string>{"copy", "--all-tags", evil.host() + "/app",
                                 to_plain.host() + "/two"},
        std::vector<std::string>{"tree", from}, std::vector<std::string>{"inspect", from},
        std::vector<std::string>{"tree", to_plain.host() + "/two:v1"},
        std::vector<std::string>{"diff", "--deep", from, to_api.host() + "/two:v1"},
        std::vector<std::string>{"diff", from, source.host() + "/app:v1"}}) {
    expect_harmless(transship(command, home_), command[0] + " " + command[1]);
  }
  for (const Served* target : {&api, &plain}) {
    for (const std::string repository : {"app", "two"}) {
      EXPECT_EQ(target->http().get("/v2/" + repository + "/manifests/" + digest).body, referrer);
    }
  }
  for (const AnsweringProxy* door : {&evil, &to_api, &to_plain}) {
    EXPECT_EQ(door->count([](const Asked& asked) {
      return asked.has("EVIL") || asked.has("INJECTED") || asked.has("\x1b");
    }),
              0U);
  }
}

// The type of a manifest is the one text of it that goes into a header field.
TEST_F(HarmlessOutput, AMediaTypeThatWouldBreakAHeaderIsRefused) {
  const std::string manifest =
      R"({"schemaVersion":2,"mediaType":"application/vnd.x+json\r\nX-Evil: 1","config":)"
      R"({"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":")" +
      test::sha256_of("{}") + R"("},"layers":[]})";
  TestContent content{.blobs = {"{}"}, .manifests = {}, .root = test::sha256_of(manifest)};
  content.manifests.push_back(
      {.media_type = "", .bytes = manifest, .digest = content.root, .tag = "v1"});
  BadRegistry source(content), target;
  const Outcome outcome =
      transship({"copy", source.host() + "/app:v1", target.host() + "/app:v1"}, home_);
  EXPECT_EQ(outcome.code, 1) << shown(outcome);
  expect_harmless(outcome, "copy");
  EXPECT_TRUE(target.put_manifests().empty());
  for (const Asked& asked : target.asked()) EXPECT_FALSE(asked.has("X-Evil")) << asked.head;
}

}  // namespace
}  // namespace transship::e2e
