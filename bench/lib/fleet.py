"""Many small images: so many repositories and tags, five layers each, three of them everywhere."""

import concurrent.futures
import contextlib

import content

LAYER_BYTES = 32 << 10
WORKERS = 8


class Fleet:
    """{repository: Content}, the same for the same seed."""

    def __init__(self, repositories, tags, seed=1):
        shared = [content.seeded_bytes(seed * 1_000_000 + n, LAYER_BYTES) for n in range(3)]
        self.repositories = {}
        number = seed * 1_000_000 + 10
        for r in range(repositories):
            images = content.Content()
            for t in range(tags):
                own = [content.seeded_bytes(number + n, LAYER_BYTES) for n in range(2)]
                number += 2
                images.manifest(content.image_document(images, [*shared, *own]), f"v{t}")
            self.repositories[f"fleet/app{r:03d}"] = images

    def tags(self):
        return {name: [reference for reference, _, _ in images.manifests]
                for name, images in self.repositories.items()}

    def least_requests(self):
        """(first pass, again): what the protocol cannot do without."""
        images = list(self.repositories.values())
        tags = sum(len(i.manifests) for i in images)
        uses = sum(len(i.blobs) for i in images)
        unique = len({digest for i in images for digest in i.blobs})
        lists = 2 * len(images)
        return 3 * unique + (uses - unique) + 2 * tags + lists, tags + lists

    def push(self, side, host):
        self._each(side, lambda name, images: content.Registry(host).push(name, images))

    def differences(self, side, host, directory):
        """What of it is missing or has other bytes at a distribution over `directory`. Blobs are
        looked at in its files: thousands of small GETs would take it longer than the runs."""
        root = directory / "data/docker/registry/v2"

        def blob_differs(name, digest, data):
            algorithm, value = digest.split(":")
            link = root / "repositories" / name / "_layers" / algorithm / value / "link"
            file = root / "blobs" / algorithm / value[:2] / value / "data"
            return not (link.exists() and file.exists() and link.read_text() == digest and
                        file.read_bytes() == data)

        def one(name, images):
            wrong = [f"blob {digest}" for digest, data in images.blobs.items()
                     if blob_differs(name, digest, data)]
            manifests = content.Content()
            manifests.manifests = images.manifests
            return [f"{name}: {what}"
                    for what in wrong + content.Registry(host).differences(name, manifests)]

        return [what for some in self._each(side, one) for what in some]

    def _each(self, side, action):
        def there(item):
            with side if side else contextlib.nullcontext():
                return action(*item)

        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(there, self.repositories.items()))
