// Lists of tags with digests, as the registries that have them give them, and as they lie.
#include <gmock/gmock.h>

#include "registry/rig.h"
#include "support/stores/listing_registry.h"

namespace transship::registry {
namespace {

using test::ListingRegistry;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = ListingRegistry::Kind;

constexpr std::size_t kTags = 2'345;

struct Vendor {
  Kind kind;
  const char* host;
  const char* profile;  ///< "": found by the host.
  std::size_t page;     ///< Rows.
  bool plain_list_too;  ///< Its own list leaves out signatures.
};

// Its bytes hold addresses, which are others in each run.
void PrintTo(const Vendor& vendor, std::ostream* out) { *out << vendor.host; }

constexpr Vendor kVendors[] = {
    {Kind::kAcr, "acme.azurecr.io", "", 1000, false},
    {Kind::kGoogle, "europe-docker.pkg.dev", "", 10'000, false},
    {Kind::kHarbor, "harbor.example.com", "harbor", 100, true},
    {Kind::kHub, "docker.io", "", 100, false},
    {Kind::kZot, "zot.example.com", "zot", 1000, true},
};

struct Listing {
  std::map<std::string, std::optional<oci::Digest>> tags;  ///< As they came first.
  std::size_t invalid = 0;
  std::size_t retries = 0;
  bool cut = false;
  std::optional<Error> error;
};

Task<Result<void>> listed_to_the_end(oci::SourceRepository& repository) {
  auto page = co_await repository.tags_with_digests(std::nullopt);
  while (page && page->next) page = co_await repository.tags_with_digests(page->next);
  if (!page) co_return std::unexpected(std::move(page).error());
  co_return Result<void>{};
}

Listing list_all(Rig& rig, std::string name = "team/app") {
  Listing out;
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull, name);
    std::optional<std::string> cursor;
    do {
      auto page = co_await repo->tags_with_digests(cursor);
      while (!page && page.error().retryable && out.retries++ < 10) {
        page = co_await repo->tags_with_digests(cursor);
      }
      if (!page) {
        out.error = page.error();
        co_return Result<void>{};
      }
      EXPECT_TRUE(page->digests.empty() || page->digests.size() == page->tags.size());
      for (std::size_t i = 0; i < page->tags.size(); ++i) {
        const auto digest = page->digests.empty() ? std::nullopt : page->digests[i];
        out.tags.emplace(page->tags[i], digest);
      }
      out.invalid += page->invalid;
      out.cut = out.cut || page->cut;
      cursor = page->next;
    } while (cursor && rig.http.sent().size() < 200);
    EXPECT_LT(rig.http.sent().size(), 200U) << "the list has no end";
    co_return Result<void>{};
  });
  return out;
}

Options with_profile(const Vendor& vendor) {
  Options options;
  options.profile = vendor.profile;
  return options;
}

std::size_t pages(std::size_t entries, std::size_t page) { return (entries + page - 1) / page; }

/// No digest but the right one.
void expect_truth(const Listing& listing, const ListingRegistry& registry) {
  for (const auto& [tag, digest] : listing.tags) {
    ASSERT_TRUE(registry.tags.contains(tag)) << tag;
    if (digest) {
      EXPECT_EQ(digest->to_string(), registry.tags.at(tag)) << tag;
    }
  }
}

class TagListing : public ::testing::TestWithParam<Vendor> {
 protected:
  /// Lists a registry that tells `lies`.
  Listing listed(ListingRegistry::Lies lies, std::size_t tags = kTags) {
    registry_.fill(tags);
    registry_.lies = std::move(lies);
    registry_.serve(rig_.http);
    Listing out = list_all(rig_);
    expect_truth(out, registry_);
    return out;
  }
  std::size_t with_digest(const Listing& listing) {
    return static_cast<std::size_t>(std::ranges::count_if(
        listing.tags, [](const auto& entry) { return entry.second.has_value(); }));
  }

  Rig rig_{with_profile(GetParam()), GetParam().host};
  ListingRegistry registry_{GetParam().kind, "team/app"};
};

TEST_P(TagListing, GivesEveryTagWithItsDigestInAFewRequests) {
  const Listing all = listed({});
  EXPECT_EQ(all.tags.size(), kTags);
  EXPECT_EQ(with_digest(all), kTags);
  const std::size_t plain = GetParam().plain_list_too ? pages(kTags, 1000) : 0;
  EXPECT_EQ(rig_.http.sent().size(), pages(kTags, GetParam().page) + plain);
}

TEST_P(TagListing, FindsSignaturesToo) {
  const std::string signature = "sha256-" + std::string(64, 'a') + ".sig";
  registry_.tags[signature] = ListingRegistry::digest_of(999'999);
  EXPECT_TRUE(listed({}).tags.contains(signature));
}

TEST_P(TagListing, ThatIsCutAtTenThousandIsFilledUpOrSaidToBeCut) {
  const Listing all = listed({.cut_at = 10'000}, 10'500);
  const bool plain_alone = GetParam().kind == Kind::kGoogle;
  EXPECT_EQ(all.tags.size(), plain_alone ? 10'000U : 10'500U);
  EXPECT_EQ(all.cut, plain_alone);
}

TEST_P(TagListing, WhoseCountIsRightAndWhosePagesAreNotIsFilledUp) {
  if (GetParam().kind == Kind::kGoogle || GetParam().kind == Kind::kAcr) GTEST_SKIP() << "no count";
  const Listing all = listed({.cut_at = 1'000, .count_says = kTags});
  EXPECT_EQ(all.tags.size(), kTags);
  EXPECT_EQ(with_digest(all), 1'000U);
}

TEST_P(TagListing, MissingDigestsAreNone) {
  const Listing all = listed({.no_digests = true});
  EXPECT_EQ(all.tags.size(), kTags);
  EXPECT_LT(with_digest(all), kTags);
  EXPECT_GT(with_digest(all), kTags / 2);
}

TEST_P(TagListing, GoingInCirclesEndsAndIsFilledUp) {
  if (GetParam().kind == Kind::kGoogle) GTEST_SKIP() << "one page";
  const Listing all = listed({.circles = true});
  EXPECT_EQ(all.tags.size(), kTags);
  EXPECT_EQ(with_digest(all), 2 * GetParam().page);
}

TEST_P(TagListing, RepeatingItsPagesIsFilledUp) {
  if (GetParam().kind == Kind::kGoogle) GTEST_SKIP() << "one page";
  const Listing all = listed({.repeats = true});
  EXPECT_EQ(all.tags.size(), kTags);
  EXPECT_EQ(with_digest(all), GetParam().page);
}

TEST_P(TagListing, DigestsAmongTagsAreNoTags) {
  const Listing all = listed({.digests_among_tags = true});
  EXPECT_EQ(all.tags.size(), kTags);
  EXPECT_EQ(all.invalid, 1U);
}

TEST_P(TagListing, NeedsNoOrder) {
  const Listing all = listed({.unsorted = true});
  EXPECT_EQ(all.tags.size(), kTags);
  EXPECT_EQ(with_digest(all), kTags);
}

TEST_P(TagListing, ThatIsRefusedIsThePlainOne) {
  if (GetParam().kind == Kind::kGoogle) GTEST_SKIP() << "it is the plain one";
  for (const int status : {400, 401, 403, 404, 405, 500, 503}) {
    Rig rig(with_profile(GetParam()), GetParam().host);
    ListingRegistry registry(GetParam().kind, "team/app");
    registry.fill(kTags);
    registry.lies.status = status;
    registry.serve(rig.http);
    const Listing all = list_all(rig);
    EXPECT_EQ(all.tags.size(), kTags) << status << (all.error ? all.error->describe() : "");
  }
}

// Two jobs with one target repository share it.
TEST_P(TagListing, TwoReadersAtOnceHaveAllOfIt) {
  for (const int status : {200, 403, 503}) {
    Rig rig(with_profile(GetParam()), GetParam().host);
    ListingRegistry registry(GetParam().kind, "team/app");
    registry.fill(kTags);
    if (status != 200) registry.lies.status = status;
    registry.serve(rig.http);
    std::set<std::string> seen[2];
    rig.run([&]() -> Task<Result<void>> {
      const auto repo = rig.repository(Access::kPull);
      TaskGroup readers(co_await current_executor());
      const auto read = [&](std::set<std::string>& out) -> Task<Result<void>> {
        std::optional<std::string> cursor;
        do {
          auto page = co_await repo->tags_with_digests(cursor);
          while (!page && page.error().retryable) page = co_await repo->tags_with_digests(cursor);
          if (!page) co_return std::unexpected(std::move(page).error());
          out.insert(page->tags.begin(), page->tags.end());
          cursor = page->next;
        } while (cursor && rig.http.sent().size() < 400);
        co_return Result<void>{};
      };
      for (auto& out : seen) readers.spawn(read(out));
      co_return co_await readers.join();
    });
    for (const auto& out : seen) EXPECT_EQ(out.size(), kTags) << status;
  }
}

TEST_P(TagListing, ThatBreaksInTheMiddleIsFilledUp) {
  if (GetParam().kind == Kind::kGoogle) GTEST_SKIP() << "one page";
  const Listing all = listed({.fails_at = 2});
  EXPECT_EQ(all.tags.size(), kTags);
  EXPECT_EQ(all.retries, 2U);
}

TEST_P(TagListing, OtherShapesAreNoLists) {
  if (GetParam().kind == Kind::kGoogle) GTEST_SKIP() << "it is the plain one";
  for (const char* body : {"<html>", "7", R"({"tags":7,"results":7})", R"({"errors":[{}]})",
                           R"({"data":{"ImageList":[]}})", R"({"tags":[{"name":5},3]})",
                           R"([{"digest":7,"tags":{}},5])", "[]", "{}"}) {
    Rig rig(with_profile(GetParam()), GetParam().host);
    ListingRegistry registry(GetParam().kind, "team/app");
    registry.fill(10);
    registry.lies.body = body;
    registry.serve(rig.http);
    const Listing all = list_all(rig);
    EXPECT_FALSE(all.error) << body;
    expect_truth(all, registry);
  }
}

std::string name_of(const ::testing::TestParamInfo<Vendor>& vendor) {
  switch (vendor.param.kind) {
    case Kind::kAcr:
      return "Acr";
    case Kind::kGoogle:
      return "Google";
    case Kind::kHarbor:
      return "Harbor";
    case Kind::kHub:
      return "Hub";
    case Kind::kZot:
      return "Zot";
    case Kind::kPlain:
      break;
  }
  return "Plain";
}

INSTANTIATE_TEST_SUITE_P(Vendors, TagListing, ::testing::ValuesIn(kVendors), name_of);

TEST(TagListingFallback, GooglesListOfTenThousandIsSaidToBeCut) {
  for (const std::size_t tags : {9'999U, 10'000U}) {
    Rig rig({}, "europe-docker.pkg.dev");
    ListingRegistry registry(Kind::kGoogle, "team/app");
    registry.fill(tags);
    registry.serve(rig.http);
    EXPECT_EQ(list_all(rig).cut, tags == 10'000U);
  }
}

TEST(TagListingFallback, ATagOfTwoManifestsHasNoDigest) {
  Rig rig({}, "gcr.io");
  const std::string a = ListingRegistry::digest_of(1), b = ListingRegistry::digest_of(2);
  rig.http.on(Method::kGet, "/v2/team/app/tags/list",
              answer(200, {},
                     R"({"tags":["x","y"],"manifest":{")" + a + R"(":{"tag":["x","y"]},")" + b +
                         R"(":{"tag":["x"]},"nonsense":{"tag":["y"]}}})"));
  const Listing all = list_all(rig);
  EXPECT_EQ(all.tags.at("x"), std::nullopt);
  EXPECT_EQ(all.tags.at("y")->to_string(), a);
}

TEST(TagListingFallback, AnApiThatNeverWorksIsNotAskedForEver) {
  Rig rig({}, "acme.azurecr.io");
  ListingRegistry registry(Kind::kAcr, "team/app");
  registry.fill(10);
  registry.lies.status = 404;
  registry.serve(rig.http);
  rig.run([&]() -> Task<Result<void>> {
    for (int i = 0; i < 6; ++i) {
      const auto repo = rig.repository(Access::kPull);
      EXPECT_TRUE(co_await listed_to_the_end(*repo));
    }
    co_return Result<void>{};
  });
  EXPECT_EQ(std::ranges::count_if(rig.http.lines(),
                                  [](const auto& line) { return line.contains("/acr/"); }),
            3);
}

TEST(TagListingFallback, ZotIsKnownByItsAnswer) {
  Rig rig({}, "zot.example.com");
  ListingRegistry registry(Kind::kZot, "team/app");
  registry.fill(10);
  registry.serve(rig.http);
  rig.http.on(Method::kGet, "/v2/team/app/tags/list",
              answer(200, {{"Access-Control-Allow-Headers", "Authorization,X-ZOT-API-CLIENT"}},
                     R"({"tags":["v00000"]})"));
  EXPECT_EQ(list_all(rig).tags.size(), 10U);
}

// --- who is told which secret

TEST(TagListingAuth, AcrIsAskedWithTheRightToReadMetadataAlone) {
  Rig rig(Credential("ada", "s3cret"), {}, "acme.azurecr.io");
  ListingRegistry registry(Kind::kAcr, "team/app");
  registry.fill(3);
  registry.serve(rig.http);
  rig.issue_tokens();
  rig.http.on(Method::kGet, "/acr/*", [&](const SentRequest& sent) -> ScriptedHttp::Answer {
    if (!sent.header("Authorization").empty()) return std::nullopt;
    return answer(401, {{"WWW-Authenticate",
                         "Bearer realm=\"https://acme.azurecr.io/token\",service=\"acme\",scope="
                         "\"repository:team/app:metadata_read\""}});
  });
  EXPECT_EQ(list_all(rig).tags.size(), 3U);
  for (const auto& sent : rig.http.sent()) {
    if (sent.url.path() == "/token") {
      EXPECT_THAT(sent.url.query(), HasSubstr("metadata_read"));
      EXPECT_THAT(std::string(sent.url.query()), testing::Not(HasSubstr("pull")));
    }
  }
}

struct HarborCase {
  const char* realm;
  bool told;  ///< The API is given the password.
};

TEST(TagListingAuth, HarborsApiIsGivenThePasswordOnlyWhereItsTokensComeFromTheSameAddress) {
  for (const HarborCase& each : {HarborCase{"https://harbor.example.com/service/token", true},
                                 HarborCase{"https://auth.example.com/service/token", false}}) {
    Rig rig(Credential("robot$ci", "s3cret"), {}, "harbor.example.com");
    ListingRegistry registry(Kind::kHarbor, "team/app");
    registry.fill(3);
    registry.serve(rig.http);
    rig.http.on(Method::kGet, "/service/token", answer(200, {}, R"({"token":"t1"})"));
    rig.http.on(Method::kGet, "/v2/*", [&](const SentRequest& sent) -> ScriptedHttp::Answer {
      if (!sent.header("Authorization").empty()) return std::nullopt;
      return answer(401, {{"WWW-Authenticate", "Bearer realm=\"" + std::string(each.realm) +
                                                   "\",service=\"harbor-registry\""}});
    });
    EXPECT_EQ(list_all(rig).tags.size(), 3U);
    std::size_t asked = 0;
    for (const auto& sent : rig.http.sent()) {
      if (!sent.url.path().starts_with("/api/")) continue;
      ++asked;
      EXPECT_EQ(sent.header("Authorization"), each.told ? "Basic cm9ib3QkY2k6czNjcmV0" : "");
      EXPECT_EQ(sent.url.host, "harbor.example.com");
    }
    EXPECT_EQ(asked, 1U);
  }
}

TEST(TagListingAuth, TheHubIsLoggedInToOnceAndOnlyThere) {
  Rig rig(Credential("ada", "s3cret"), {}, "docker.io");
  ListingRegistry registry(Kind::kHub, "team/app");
  registry.fill(250);
  registry.serve(rig.http);
  rig.http.on(Method::kGet, "/v2/namespaces/*",
              [](const SentRequest& sent) -> ScriptedHttp::Answer {
                if (sent.header("Authorization") == "Bearer jwt-1") return std::nullopt;
                return answer(404);
              });
  rig.http.on(Method::kPost, "/v2/auth/token", [](const SentRequest& sent) -> ScriptedHttp::Answer {
    EXPECT_EQ(sent.url.to_string(), "https://hub.docker.com/v2/auth/token");
    EXPECT_EQ(sent.body, R"({"identifier":"ada","secret":"s3cret"})");
    return answer(200, {}, R"({"access_token":"jwt-1"})");
  });
  EXPECT_EQ(list_all(rig).tags.size(), 250U);
  std::size_t logins = 0;
  for (const auto& sent : rig.http.sent()) {
    const bool login = sent.url.path() == "/v2/auth/token";
    logins += login ? 1 : 0;
    EXPECT_EQ(sent.url.host, "hub.docker.com");
    if (!login) {
      EXPECT_THAT(sent.body + sent.header("Authorization"), testing::Not(HasSubstr("s3cret")));
    }
  }
  EXPECT_EQ(logins, 1U);
  EXPECT_EQ(rig.http.sent().size(), 1U + 1U + 3U);  // refused, login, three pages
}

TEST(TagListingAuth, AMirrorThatIsLikeTheHubIsNoneOfTheHubsBusiness) {
  Options options;
  options.profile = "dockerhub";
  Rig rig(Credential("ada", "s3cret"), options, "mirror.example.com");
  ListingRegistry registry(Kind::kHub, "team/app");
  registry.fill(3);
  registry.serve(rig.http);
  EXPECT_EQ(list_all(rig).tags.size(), 3U);
  for (const auto& sent : rig.http.sent()) EXPECT_EQ(sent.url.host, "mirror.example.com");
}

TEST(TagListingAuth, ALoginThatIsRefusedIsNotTriedAgain) {
  Rig rig(Credential("ada", "wrong"), {}, "docker.io");
  ListingRegistry registry(Kind::kHub, "team/app");
  registry.fill(3);
  registry.lies.status = 401;
  registry.serve(rig.http);
  rig.http.on(Method::kPost, "/v2/auth/token", answer(401));
  rig.run([&]() -> Task<Result<void>> {
    for (int i = 0; i < 2; ++i) {
      const auto repo = rig.repository(Access::kPull);
      EXPECT_TRUE(co_await listed_to_the_end(*repo));
    }
    co_return Result<void>{};
  });
  EXPECT_EQ(std::ranges::count_if(rig.http.lines(),
                                  [](const auto& line) { return line.starts_with("POST"); }),
            1);
}

}  // namespace
}  // namespace transship::registry
