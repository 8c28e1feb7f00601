// What a source may answer that it should not: a clear error, and nothing committed at the target.
#include <gmock/gmock.h>

#include "e2e/bad_registry.h"
#include "e2e/harness.h"

namespace transship::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Answer = std::optional<std::string>;

constexpr std::string_view kImageType = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kIndexType = "application/vnd.oci.image.index.v1+json";

std::string typed(std::string_view type, const std::string& body, const std::string& more = {}) {
  return BadRegistry::answer("200 OK", "Content-Type: " + std::string(type) + "\r\n" + more, body);
}

// Bytes as the manifest behind the tag, with the digest that belongs to them.
BadRegistry::Fault manifest_is(std::string bytes, std::string_view type = kImageType) {
  return [=](const Asked& a) -> Answer {
    if (a.path().find("/manifests/") == std::string::npos) return std::nullopt;
    return typed(type, bytes, "Docker-Content-Digest: " + test::sha256_of(bytes) + "\r\n");
  };
}

BadRegistry::Fault manifests_answer(std::string bytes) {
  return [=](const Asked& a) -> Answer {
    if (a.path().find("/manifests/") == std::string::npos) return std::nullopt;
    return bytes;
  };
}

BadRegistry::Fault blobs_answer(std::string bytes) {
  return [=](const Asked& a) -> Answer {
    if (a.path().find("/blobs/") == std::string::npos) return std::nullopt;
    return bytes;
  };
}

// The right manifest, with other header fields.
BadRegistry::Fault fields_are(std::string fields, bool head_too = true) {
  return [=](const Asked& a) -> Answer {
    if (a.path().find("/manifests/") == std::string::npos) return std::nullopt;
    if (a.method == "HEAD" && !head_too) return std::nullopt;
    return BadRegistry::answer("200 OK", fields, test::make_image({}).manifests.back().bytes);
  };
}

std::string image_with(const std::string& members) {
  return R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",)" +
         members + "}";
}

std::string nested(std::size_t depth) {
  return image_with(R"("annotations_x":)" + std::string(depth, '[') + std::string(depth, ']'));
}

const std::string kEmptyConfig =
    R"("config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":)"
    R"("sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"})";

struct Case {
  std::string name;
  BadRegistry::Fault fault;
  std::vector<std::string> says;  ///< All of these are in what the program prints.
  std::vector<std::string> more_arguments{};
};

void PrintTo(const Case& value, std::ostream* out) { *out << value.name; }

std::vector<Case> cases() {
  const auto answer = &BadRegistry::answer;
  const auto error = &BadRegistry::error;
  return {
      {"UnauthorizedWithoutAChallenge",
       [=](const Asked&) -> Answer { return answer("401 Unauthorized", "", ""); },
       {"401", "challenge"}},
      {"RealmOnAnotherHostOverPlainHttp",
       [=](const Asked&) -> Answer {
         return answer("401 Unauthorized",
                       "WWW-Authenticate: Bearer realm=\"http://192.0.2.1/token\"\r\n", "");
       },
       {"plain HTTP", "192.0.2.1"}},
      {"Forbidden", manifests_answer(error("403 Forbidden", "DENIED", "no")), {"403", "DENIED"}},
      {"RepositoryUnknown",
       manifests_answer(error("404 Not Found", "NAME_UNKNOWN", "no")),
       {"404", "NAME_UNKNOWN", "/app"}},
      {"ManifestUnknown",
       manifests_answer(error("404 Not Found", "MANIFEST_UNKNOWN", "no")),
       {"404", "MANIFEST_UNKNOWN", "manifest 1.0"}},
      {"BlobUnknown",
       blobs_answer(error("404 Not Found", "BLOB_UNKNOWN", "no")),
       {"404", "BLOB_UNKNOWN", "blob sha256:"}},
      {"MethodNotAllowed",
       manifests_answer(answer("405 Method Not Allowed", "", "")),
       {"405", "manifest 1.0"}},
      {"TooManyRequests",
       manifests_answer(answer("429 Too Many Requests", "", "")),
       {"429", "manifest 1.0"}},
      {"ServerError", manifests_answer(answer("500 No", "", "oops")), {"500", "manifest 1.0"}},
      {"BlobServerError", blobs_answer(answer("503 No", "", "")), {"503", "blob sha256:"}},
      {"HtmlForAManifest",
       manifests_answer(typed("text/html", "<!DOCTYPE html><html>Please log in</html>")),
       {"manifest 1.0", "HTML"}},
      {"HtmlWithAJsonType",
       manifests_answer(typed(kImageType, "<html>Please log in</html>")),
       {"manifest", "JSON"}},
      {"WrongContentType",
       fields_are("Content-Type: " + std::string(kIndexType) + "\r\n"),
       {"manifest 1.0", "mediaType"}},
      {"WrongDigestHeader",
       fields_are("Content-Type: " + std::string(kImageType) +
                  "\r\nDocker-Content-Digest: sha256:" + std::string(64, 'a') + "\r\n"),
       {"sha256:aaaa"}},
      {"BlobShort",
       blobs_answer("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\nConnection: close\r\n\r\nshort"),
       {"blob sha256:"}},
      {"BlobOfAnotherLength", blobs_answer(answer("200 OK", "", "short")), {"blob sha256:", "5"}},
      {"BlobLong",
       blobs_answer("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + std::string(20'000, 'x')),
       {"blob sha256:"}},
      {"BlobOfOtherBytes",
       [=](const Asked& a) -> Answer {
         if (!a.is("GET", "/blobs/")) return std::nullopt;
         return answer("200 OK", "", std::string(10'000, 'x'));
       },
       {"blob sha256:"}},
      {"SizeOfTheDescriptorWrong",
       manifest_is(image_with(kEmptyConfig +
                              R"(,"layers":[{"mediaType":"a/b","size":9,"digest":")" +
                              test::sha256_of(test::make_image({}).blobs.back()) + "\"}]")),
       {"blob sha256:"}},
      {"SizeNegative",
       manifest_is(image_with(kEmptyConfig +
                              R"(,"layers":[{"mediaType":"a/b","size":-9,"digest":")" +
                              test::sha256_of("x") + "\"}]")),
       {"layers", "size"}},
      {"DigestUnknown",
       manifest_is(image_with(kEmptyConfig +
                              R"(,"layers":[{"mediaType":"a/b","size":9,"digest":"md5:abc"}])")),
       {"layers", "md5"}},
      {"DigestIsAPath",
       manifest_is(image_with(
           kEmptyConfig +
           R"(,"layers":[{"mediaType":"a/b","size":9,"digest":"sha256:../../../etc/passwd"}])")),
       {"layers", "digest"}},
      {"ManifestTooLarge",
       manifest_is(image_with(R"("x":")" + std::string(5U << 20U, 'x') + "\"")),
       {"manifest", "4.0 MiB", "--max-manifest-size"}},
      {"ManifestEndless",
       manifests_answer("HTTP/1.1 200 OK\r\nContent-Type: " + std::string(kImageType) +
                        "\r\nConnection: close\r\n\r\n" + std::string(5U << 20U, ' ')),
       {"manifest", "4.0 MiB", "--max-manifest-size"}},
      {"ManifestAboveALimitOfOurs",
       {},
       {"100 B", "--max-manifest-size"},
       {"--max-manifest-size", "100"}},
      {"NestedTooDeep", manifest_is(nested(65)), {"nested deeper than 64"}},
      {"JsonBomb", manifest_is(std::string(2'000'000, '[')), {"nested deeper than 64"}},
      {"DuplicateKeys",
       manifest_is(image_with(kEmptyConfig + R"(,"layers":[],"layers":[])")),
       {"duplicate key", "layers"}},
      {"InvalidUtf8", manifest_is(image_with("\"x\":\"\xff\xfe\"")), {"UTF-8"}},
      {"NumberBeyond64Bits",
       manifest_is(image_with(kEmptyConfig +
                              R"(,"layers":[{"mediaType":"a/b","size":99999999999999999999999,)"
                              R"("digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8)"
                              R"(310c060f61caaff8a"}])")),
       {"64 bits"}},
      {"NoJson", manifest_is("hello"), {"JSON"}},
      {"EmptyManifest", manifest_is(""), {"manifest", "empty"}},
      {"SchemaOne",
       manifest_is(R"({"schemaVersion":1,"name":"app"})",
                   "application/vnd.docker.distribution.manifest.v1+prettyjws"),
       {"schema 1"}},
      {"RedirectLoop",
       [=](const Asked& a) -> Answer {
         if (!a.is("GET", "/blobs/")) return std::nullopt;
         return answer("307 T", "Location: " + a.target + "\r\n", "");
       },
       {"redirect", "blob sha256:"}},
      {"RedirectToAFile",
       blobs_answer(answer("307 T", "Location: file:///etc/passwd\r\n", "")),
       {"redirect", "file", "blob sha256:"}},
      {"RedirectWithoutALocation", blobs_answer(answer("307 T", "", "")), {"Location"}},
      {"EscapesInAnError",
       manifests_answer(error("403 Forbidden", "DENIED", R"(\u001b[31mred\u0007 \u202eback)")),
       {"403"}},
      {"EscapesInATypeField",
       manifest_is(image_with(R"("config":{"mediaType":"\u001b[31m","size":2,"digest":"no"})")),
       {"config"}},
      {"CompressedManifestOfOtherBytes",
       fields_are("Content-Encoding: br\r\nContent-Type: " + std::string(kImageType) +
                  "\r\nDocker-Content-Digest: sha256:" + std::string(64, 'a') + "\r\n"),
       {"Content-Encoding", "br"}},
      {"NotHttp",
       [](const Asked&) -> Answer { return "SSH-2.0-OpenSSH\r\n\r\nConnection: close"; },
       {"HTTP"}},
  };
}

class BadSource : public ::testing::TestWithParam<Case> {};

TEST_P(BadSource, IsNamedAndNothingIsCommitted) {
  const Case& what = GetParam();
  BadRegistry source(test::make_image({}), what.fault);
  BadRegistry target;
  const Home home;
  std::vector<std::string> arguments = {"copy",
                                        source.host() + "/app:1.0",
                                        target.host() + "/app:1.0",
                                        "--plain-http",
                                        source.host(),
                                        "--plain-http",
                                        target.host()};
  arguments.insert(arguments.end(), what.more_arguments.begin(), what.more_arguments.end());
  const Outcome outcome = transship(arguments, home);
  EXPECT_EQ(outcome.code, 1) << shown(outcome);
  const std::string printed = outcome.out + outcome.err;
  for (const auto& text : what.says) EXPECT_THAT(printed, HasSubstr(text));
  EXPECT_THAT(printed, Not(HasSubstr("\x1b[")));
  EXPECT_THAT(printed, HasSubstr(source.host()));
  EXPECT_THAT(target.put_manifests(), ::testing::IsEmpty());
  EXPECT_THAT(target.wrong_blobs(), ::testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(BadInput, BadSource, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace transship::e2e
