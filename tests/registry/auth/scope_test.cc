#include "registry/auth/scope.h"

#include <gtest/gtest.h>

namespace transship::registry {
namespace {

TEST(Scope, SplitsAtTheFirstAndTheLastColon) {
  const auto scope = Scope::parse("repository:host:5000/team/app:push,pull");
  ASSERT_TRUE(scope.has_value());
  EXPECT_EQ(scope->type, "repository");
  EXPECT_EQ(scope->name, "host:5000/team/app");
  EXPECT_EQ(scope->to_string(), "repository:host:5000/team/app:pull,push");
}

TEST(Scope, RefusesWhatIsNone) {
  for (const char* text : {"", ":", "a:b", "a:b:", "a::pull", ":b:pull", "repository"}) {
    EXPECT_FALSE(Scope::parse(text).has_value()) << text;
  }
}

TEST(Scope, StarStandsAlone) {
  EXPECT_EQ(Scope::parse("registry:catalog:pull,*")->to_string(), "registry:catalog:*");
  EXPECT_TRUE(Scope::parse("repository:a:*")->covers(Scope::push("a")));
  EXPECT_FALSE(Scope::pull("a").covers(Scope::push("a")));
  EXPECT_FALSE(Scope::push("a").covers(Scope::pull("b")));
}

TEST(ScopeSet, KeyIgnoresOrderTextKeepsIt) {
  const ScopeSet one({Scope::push("b"), Scope::pull("a")});
  const ScopeSet two({Scope::pull("a"), Scope::push("b")});
  EXPECT_EQ(one.key(), two.key());
  EXPECT_EQ(one.to_string(), "repository:b:pull,push repository:a:pull");
}

TEST(ScopeSet, AddsActionsToAKnownResource) {
  ScopeSet set({Scope::pull("a")});
  set.add(Scope::push("a"));
  EXPECT_EQ(set.to_string(), "repository:a:pull,push");
}

TEST(MergeChallenge, PutsTheChallengeFirst) {
  const auto merged = merge_challenge(ScopeSet({Scope::push("app")}),
                                      ScopeSet::parse("repository:team/app:push,pull"));
  EXPECT_EQ(merged.to_string(), "repository:team/app:pull,push repository:app:pull,push");
}

TEST(MergeChallenge, AReaderIsNotTalkedIntoWriting) {
  const auto merged = merge_challenge(ScopeSet({Scope::pull("app")}),
                                      ScopeSet::parse("repository:app:pull,push,delete x:y:*"));
  EXPECT_EQ(merged.to_string(), "repository:app:pull");
}

TEST(MergeChallenge, AWriterTakesWhatIsAsked) {
  const auto merged = merge_challenge(ScopeSet({Scope::push("app")}),
                                      ScopeSet::parse("repository:app:pull,push,delete"));
  EXPECT_EQ(merged.to_string(), "repository:app:delete,pull,push");
}

TEST(ScopeSet, IsBounded) {
  ScopeSet set;
  for (int i = 0; i < 100; ++i) set.add(Scope::pull("r" + std::to_string(i)));
  EXPECT_EQ(set.all().size(), 10U);
}

}  // namespace
}  // namespace transship::registry
