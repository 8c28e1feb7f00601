#include "oci/reference.h"

#include <gtest/gtest.h>

namespace transship::oci {
namespace {

constexpr std::string_view kDigest =
    "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

struct RegistryCase {
  std::string text, host, repository, tag, digest;
};

class RegistryReferences : public testing::TestWithParam<RegistryCase> {};

TEST_P(RegistryReferences, Parse) {
  const RegistryCase& c = GetParam();
  const auto parsed = parse_reference(c.text);
  ASSERT_TRUE(parsed) << c.text << ": " << parsed.error().describe();
  const auto* reference = std::get_if<RegistryReference>(&*parsed);
  ASSERT_NE(reference, nullptr);
  EXPECT_EQ(reference->host, c.host);
  EXPECT_EQ(reference->repository.str(), c.repository);
  EXPECT_EQ(reference->tag ? reference->tag->str() : "", c.tag);
  EXPECT_EQ(reference->digest ? reference->digest->to_string() : "", c.digest);
  // What is printed reads as the same thing.
  const auto again = parse_reference(to_string(*parsed));
  ASSERT_TRUE(again) << to_string(*parsed);
  EXPECT_EQ(to_string(*again), to_string(*parsed));
}

const std::string kAt = "@" + std::string(kDigest);
const std::string kD(kDigest);

INSTANTIATE_TEST_SUITE_P(
    AsPeopleWriteThem, RegistryReferences,
    testing::Values(
        RegistryCase{"alpine", "docker.io", "library/alpine", "", ""},
        RegistryCase{"alpine:3.20", "docker.io", "library/alpine", "3.20", ""},
        RegistryCase{"grafana/grafana:11", "docker.io", "grafana/grafana", "11", ""},
        RegistryCase{"docker.io/alpine", "docker.io", "library/alpine", "", ""},
        RegistryCase{"index.docker.io/library/alpine", "docker.io", "library/alpine", "", ""},
        RegistryCase{"registry-1.docker.io/a/b", "docker.io", "a/b", "", ""},
        RegistryCase{"Docker.IO/alpine", "docker.io", "library/alpine", "", ""},
        RegistryCase{"docker://alpine:3", "docker.io", "library/alpine", "3", ""},
        RegistryCase{"docker://eu.example.com/team/app:v1", "eu.example.com", "team/app", "v1", ""},
        RegistryCase{"localhost/x", "localhost", "x", "", ""},
        RegistryCase{"localhost:5000/x:y", "localhost:5000", "x", "y", ""},
        RegistryCase{"registry:5000/team/app", "registry:5000", "team/app", "", ""},
        RegistryCase{"EU.Example.com/app:V1", "eu.example.com", "app", "V1", ""},
        RegistryCase{"example.com:443/app", "example.com:443", "app", "", ""},
        RegistryCase{"127.0.0.1:5000/a", "127.0.0.1:5000", "a", "", ""},
        RegistryCase{"[::1]:5000/x", "[::1]:5000", "x", "", ""},
        RegistryCase{"[2001:DB8::1]/x:t", "[2001:db8::1]", "x", "t", ""},
        RegistryCase{"h.io/a" + kAt, "h.io", "a", "", kD},
        RegistryCase{"h.io:5000/a/b:t" + kAt, "h.io:5000", "a/b", "t", kD},
        RegistryCase{"alpine" + kAt, "docker.io", "library/alpine", "", kD},
        RegistryCase{"h.io/" + std::string(64, 'a'), "h.io", std::string(64, 'a'), "", ""}));

struct Refused {
  std::string text;
  std::string says;  // In message or hint.
};

class RefusedReferences : public testing::TestWithParam<Refused> {};

TEST_P(RefusedReferences, SayWhatToWrite) {
  const auto parsed = parse_reference(GetParam().text);
  ASSERT_FALSE(parsed) << to_string(*parsed);
  EXPECT_EQ(parsed.error().code, Errc::kInvalidArgument);
  EXPECT_NE(parsed.error().describe().find(GetParam().says), std::string::npos)
      << parsed.error().describe();
}

INSTANTIATE_TEST_SUITE_P(
    Ambiguous, RefusedReferences,
    testing::Values(Refused{"", "empty"}, Refused{std::string(64, 'a'), "64 hexadecimal digits"},
                    Refused{kD, "digest without a repository"},
                    Refused{"example.com", "a registry without a repository"},
                    Refused{"localhost:5000", "a registry without a repository"},
                    Refused{"localhost", "a registry without a repository"},
                    Refused{"[::1]:5000", "a registry without a repository"},
                    Refused{"MyHost/app", "upper case"}, Refused{"Alpine", "upper case"},
                    Refused{"h.io/Team/app", "upper case"}));

INSTANTIATE_TEST_SUITE_P(
    Broken, RefusedReferences,
    testing::Values(
        Refused{"https://h.io/a", "has no scheme"}, Refused{"http://h.io/a", "--plain-http"},
        Refused{"ftp://h.io/a", "has no scheme"}, Refused{"docker://https://h.io/a", "no scheme"},
        Refused{"oci://h.io/a", "helm"}, Refused{"h.io/", "repository name"},
        Refused{"h.io//a", "empty part"}, Refused{"h.io/a/", "empty part"},
        Refused{"h.io/a:", "tag"}, Refused{"h.io/a:-x", "tag"},
        Refused{"h.io/a:" + std::string(129, 'x'), "128"}, Refused{"h.io/../a", "part \"..\""},
        Refused{"h.io/a@", "digest"}, Refused{"h.io/a@sha256:abc", "64 lower-case"},
        Refused{"h.io/a@md5:d41d8cd98f00b204e9800998ecf8427e", "md5"},
        Refused{"h.io:0/a", "HOST:PORT"}, Refused{"h.io:65536/a", "HOST:PORT"},
        Refused{"h.io:x/a", "HOST:PORT"}, Refused{"h.io:/a", "HOST:PORT"},
        Refused{"h..io/a", "HOST:PORT"}, Refused{"h.io./a", "HOST:PORT"},
        Refused{"-h.io/a", "HOST:PORT"}, Refused{"::1/a", "HOST:PORT"},
        Refused{"[::1/a", "HOST:PORT"}, Refused{"[fe80::1%eth0]/a", "HOST:PORT"},
        Refused{"münchen.de/a", "HOST:PORT"}, Refused{" alpine", "repository name"},
        Refused{"alpine ", "repository name"}, Refused{"a\tb", "repository name"},
        Refused{"oci-archive:x.tar", "\"oci-archive:\" is not supported"},
        Refused{"docker-daemon:alpine", "not supported"}, Refused{"dir:/x", "not supported"}));

TEST(Reference, NeverShowsAPassword) {
  for (const std::string_view text :
       {"user:hunter2@h.io/a", "https://user:hunter2@h.io/a", "docker://user:hunter2@h.io/a:t",
        "user:hunter2@h.io", "http://user:hunter2@h.io:5000/a"}) {
    const auto parsed = parse_reference(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().describe().find("hunter2"), std::string::npos)
        << parsed.error().describe();
  }
}

struct LayoutCase {
  std::string text, directory, name, digest;
};

class LayoutReferences : public testing::TestWithParam<LayoutCase> {};

TEST_P(LayoutReferences, Parse) {
  const LayoutCase& c = GetParam();
  const auto parsed = parse_reference(c.text);
  ASSERT_TRUE(parsed) << c.text << ": " << parsed.error().describe();
  const auto* reference = std::get_if<LayoutReference>(&*parsed);
  ASSERT_NE(reference, nullptr);
  EXPECT_EQ(reference->directory.string(), c.directory);
  EXPECT_EQ(reference->name.value_or(""), c.name);
  EXPECT_EQ(reference->digest ? reference->digest->to_string() : "", c.digest);
  const auto again = parse_reference(to_string(*parsed));
  ASSERT_TRUE(again) << to_string(*parsed);
  EXPECT_EQ(std::get<LayoutReference>(*again).directory, reference->directory);
  EXPECT_EQ(to_string(*again), to_string(*parsed));
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, LayoutReferences,
    testing::Values(
        LayoutCase{"oci:/srv/layout", "/srv/layout", "", ""}, LayoutCase{"oci:.", ".", "", ""},
        LayoutCase{"oci:dir:v1", "dir", "v1", ""}, LayoutCase{"oci:dir:_x", "dir", "_x", ""},
        LayoutCase{"oci:dir:docker.io/library/alpine:3", "dir", "docker.io/library/alpine:3", ""},
        LayoutCase{"oci:a\\:b:t", "a:b", "t", ""}, LayoutCase{"oci:a\\\\:t", "a\\", "t", ""},
        LayoutCase{"oci:a\\b", "a\\b", "", ""},
        LayoutCase{"oci:with space:t", "with space", "t", ""},
        LayoutCase{"oci:dir" + kAt, "dir", "", kD}, LayoutCase{"oci:dir:" + kAt, "dir", "", kD}));

INSTANTIATE_TEST_SUITE_P(BrokenLayouts, RefusedReferences,
                         testing::Values(Refused{"oci:", "no directory"},
                                         Refused{"oci::t", "no directory"},
                                         Refused{"oci:dir:", "no name in a layout"},
                                         Refused{"oci:dir:a b", "no name in a layout"},
                                         Refused{"oci:dir:@sha256:ab", "64 lower-case"},
                                         Refused{"oci:dir@sha256:ab", "64 lower-case"},
                                         Refused{kAt.substr(1) + "x", "digest"},
                                         Refused{std::string("oci:a\0b", 7), "no directory"}));

}  // namespace
}  // namespace transship::oci
