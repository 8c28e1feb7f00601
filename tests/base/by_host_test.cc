#include "base/by_host.h"

#include <gtest/gtest.h>

namespace transship {
namespace {

TEST(ByHost, WhatIsSaidOfAHostIsSaidOfAllItsPorts) {
  const std::map<std::string, int> said = {{"a.example.com", 1}, {"a.example.com:5000", 2}};
  EXPECT_EQ(of_host(said, "a.example.com:443")->second, 1);
  EXPECT_EQ(of_host(said, "a.example.com:5000")->second, 2);
  EXPECT_EQ(of_host(said, "b.example.com:5000"), nullptr);
}

TEST(ByHost, AnAddressInBracketsKeepsItsColons) {
  EXPECT_EQ(without_port("[::1]:5000"), "[::1]");
  EXPECT_EQ(without_port("[::1]"), "[::1]");
  EXPECT_EQ(without_port("a.example.com:443"), "a.example.com");
  EXPECT_EQ(without_port("a.example.com"), "a.example.com");
  const std::map<std::string, int> said = {{"[::1]", 1}};
  EXPECT_EQ(of_host(said, "[::1]:5000")->second, 1);
  EXPECT_EQ(of_host(said, "[::2]"), nullptr);
}

}  // namespace
}  // namespace transship
