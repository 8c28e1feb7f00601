#include "oci/json.h"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace transship::oci::json {
namespace {

TEST(Json, ParsesWhatIsValid) {
  for (const std::string_view text : {R"({"a":1,"b":[true,false,null],"c":{"d":"e"}})", R"([])",
                                      R"("x")", R"(-9223372036854775808)", R"(9223372036854775807)",
                                      R"(["\u00e9\ud83d\ude00"])", R"({"a":{"a":{"a":1}}})"}) {
    const auto value = parse(text);
    ASSERT_TRUE(value) << text << ": " << value.error().message;
    EXPECT_EQ(boost::json::parse(boost::json::serialize(*value)), boost::json::parse(text));
  }
  EXPECT_TRUE(parse(" \n{ }\t "));
  EXPECT_DOUBLE_EQ(parse("1.5e3")->as_double(), 1500);
}

struct Broken {
  std::string text;
  std::string says;
};

class BrokenJson : public testing::TestWithParam<Broken> {};

TEST_P(BrokenJson, IsRefusedWithItsPlace) {
  const auto value = parse(GetParam().text, {.max_depth = 8, .max_values = 100});
  ASSERT_FALSE(value) << GetParam().text;
  EXPECT_EQ(value.error().code, Errc::kMalformed);
  EXPECT_NE(value.error().message.find(GetParam().says), std::string::npos)
      << value.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BrokenJson,
    testing::Values(Broken{R"({"a":1,"a":2})", "byte 9: duplicate key \"a\""},
                    Broken{R"([{"x":{"k":1,"z":2,"k":1}}])", "duplicate key \"k\""},
                    Broken{R"({"a":1,"\u0061":2})", "duplicate key \"a\""}, Broken{"", "byte 0"},
                    Broken{"{", "incomplete"}, Broken{R"({"a":1}x)", "byte 7: "},
                    Broken{R"({"a":1}{})", "byte 7: "}, Broken{R"({"a":})", "byte 5"},
                    Broken{"[1,]", "byte 3"}, Broken{"{'a':1}", "byte 1"},
                    Broken{"[/*c*/]", "byte 1"}, Broken{"\"\xff\"", "byte 1"},
                    Broken{"\"\xc0\xaf\"", "byte"}, Broken{"\"\xed\xa0\x80\"", "byte"},
                    Broken{R"("\ud800")", "byte"}, Broken{R"("\udc00")", "byte"},
                    Broken{"\"a\nb\"", "byte 2"}, Broken{"9223372036854775808", "64 bits"},
                    Broken{"-9223372036854775809", "64 bits"},
                    Broken{R"({"a":-0.2e22120})", "too big"}, Broken{"[1e999]", "too big"},
                    Broken{"[1e5,99999999999999999999999]", "64 bits"},
                    Broken{std::string(9, '[') + std::string(9, ']'), "byte 8"},
                    Broken{"[" + std::string(300, ' ') + "NaN]", "byte 301"},
                    Broken{"01", "byte 1"}, Broken{"\xef\xbb\xbf{}", "byte 0"},
                    Broken{"[" +
                               [] {
                                 std::string many;
                                 for (int i = 0; i < 100; ++i) many += "0,";
                                 return many;
                               }() +
                               "0]",
                           "more values"}));

TEST(Json, LimitsAreLimits) {
  EXPECT_TRUE(parse(std::string(64, '[') + std::string(64, ']')));
  EXPECT_FALSE(parse(std::string(65, '[') + std::string(65, ']')));
  const auto big = parse("[1,2]", {.max_bytes = 4});
  ASSERT_FALSE(big);
  EXPECT_EQ(big.error().code, Errc::kTooLarge);
}

TEST(Json, EqualKeysInSiblingsAreNoDuplicates) {
  EXPECT_TRUE(parse(R"([{"a":1},{"a":2}])"));
  EXPECT_TRUE(parse(R"({"a":{"a":1},"b":{"a":1,"b":2}})"));
}

TEST(Json, LongKeysAndStringsSurvive) {
  const std::string key(100'000, 'k'), text(200'000, 't');
  const auto object = parse_object("{\"" + key + "\":\"" + text + "\"}", "test");
  ASSERT_TRUE(object);
  EXPECT_EQ(get_string(*object, key).value_or(""), text);
  EXPECT_FALSE(parse_object("{\"" + key + "\":1,\"" + key + "\":2}", "test"));
}

TEST(Json, AnObjectIsAskedFor) {
  EXPECT_TRUE(parse_object("{}", "token answer"));
  const auto array = parse_object("[]", "token answer");
  ASSERT_FALSE(array);
  EXPECT_EQ(array.error().message, "token answer: expected an object, found an array");
  const auto html = parse_object("\n <!doctype html><html>", "token answer");
  ASSERT_FALSE(html);
  EXPECT_EQ(html.error().code, Errc::kMalformed);
  EXPECT_NE(html.error().message.find("HTML"), std::string::npos);
  EXPECT_NE(html.error().hint, "");
}

TEST(Json, TypedAccess) {
  const auto object =
      *parse_object(R"({"s":"x","i":7,"d":1.5,"n":null,"a":[1],"o":{"k":"v"}})", "test");
  EXPECT_EQ(*get_string(object, "s"), "x");
  EXPECT_EQ(*get_int64(object, "i"), 7);
  EXPECT_EQ((*get_array(object, "a"))->size(), 1U);
  EXPECT_EQ(*get_string(**get_object(object, "o"), "k"), "v");
  for (const std::string_view absent : {"n", "none"}) {
    EXPECT_EQ(*find_string(object, absent), std::nullopt);
    EXPECT_EQ(*find_int64(object, absent), std::nullopt);
    EXPECT_EQ(*find_array(object, absent), nullptr);
    EXPECT_EQ(*find_object(object, absent), nullptr);
    EXPECT_EQ(get_string(object, absent).error().code, Errc::kMalformed);
    EXPECT_FALSE(get_int64(object, absent) || get_array(object, absent));
    EXPECT_FALSE(get_object(object, absent).has_value());
  }
  EXPECT_EQ(find_string(object, "i").error().message, "\"i\": expected a string, found an integer");
  EXPECT_EQ(find_int64(object, "d").error().message,
            "\"d\": expected an integer, found a fraction");
  EXPECT_EQ(find_array(object, "o").error().message, "\"o\": expected an array, found an object");
  EXPECT_EQ(find_object(object, "a").error().message, "\"a\": expected an object, found an array");
  EXPECT_EQ(get_string(object, "none").error().message, "\"none\" is missing");
}

}  // namespace
}  // namespace transship::oci::json
