// A registry of made-up content as a program: prints its address and serves until it is ended.
#include "support/stores/made_registry.h"

#include <cstdio>
#include <cstring>
#include <string>

int main(int argc, char** argv) {
  using transship::test::MadeRegistry;
  MadeRegistry::Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto number = [&] { return i + 1 < argc ? std::stoul(argv[++i]) : 0; };
    if (name == "--repositories") {
      options.content.repositories = number();
    } else if (name == "--tags") {
      options.content.tags = number();
    } else if (name == "--layers") {
      options.content.layers = number();
    } else if (name == "--empty") {
      options.full = false;
    } else if (name == "--acr-lists") {
      options.acr_lists = true;
    } else {
      std::fprintf(stderr, "made_registry: unknown option %s\n", argv[i]);
      return 2;
    }
  }
  MadeRegistry registry(options);
  std::printf("listening on %s\n", registry.host().c_str());
  std::fflush(stdout);
  registry.run();
}
