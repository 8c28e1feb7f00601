"""Test content for demo and benchmarks: images and what refers to them, pushed by plain HTTP.

Nothing here is shared with the program: what it copied is checked by other code than its own.
"""

import hashlib
import http.client
import json
import random

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
EMPTY = "application/vnd.oci.empty.v1+json"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def seeded_bytes(seed, size):
    """The same bytes for the same seed."""
    generator = random.Random(seed)
    most = 128 << 20  # randbytes refuses 256 MiB.
    return b"".join(generator.randbytes(min(most, size - at)) for at in range(0, size, most))


def descriptor(media_type, data, **more):
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **more}


class Content:
    """Blobs, and manifests in the order of their pushes as (reference, media type, bytes)."""

    def __init__(self):
        self.blobs = {}
        self.manifests = []

    def blob(self, data):
        self.blobs[digest_of(data)] = data
        return data

    def manifest(self, document, tag=None):
        data = json.dumps(document, indent=2).encode()
        self.manifests.append((tag or digest_of(data), document["mediaType"], data))
        return data


def image_document(content, layers, architecture="amd64"):
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["/bin/app"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
    }
    data = content.blob(json.dumps(config).encode())
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, data),
        "layers": [descriptor(LAYER, content.blob(layer)) for layer in layers],
    }


def referrer_document(content, subject_type, subject, artifact_type, payload):
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact_type,
        "config": descriptor(EMPTY, content.blob(b"{}")),
        "layers": [descriptor(artifact_type, content.blob(payload))],
        "subject": descriptor(subject_type, subject),
        "annotations": {"org.opencontainers.image.created": "2026-01-01T00:00:00Z"},
    }


def image(tag, layers):
    """An image of the given layers (bytes each)."""
    content = Content()
    content.manifest(image_document(content, layers), tag)
    return content


def release(tag, layer_bytes, seed):
    """Two platforms, an SBOM, a signature of the SBOM, a scan result that is listed by a fallback
    tag, and a cosign signature."""
    content = Content()
    shared = seeded_bytes(seed, layer_bytes)
    children = []
    for number, architecture in enumerate(("amd64", "arm64")):
        layers = [shared, seeded_bytes(seed + 1 + number, layer_bytes)]
        data = content.manifest(image_document(content, layers, architecture))
        platform = {"os": "linux", "architecture": architecture}
        children.append(descriptor(MANIFEST, data, platform=platform))
    root = content.manifest(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": children}, tag)
    sbom = content.manifest(referrer_document(
        content, INDEX, root, "application/spdx+json", b'{"spdxVersion":"SPDX-2.3"}'))
    content.manifest(referrer_document(
        content, MANIFEST, sbom, "application/vnd.example.signature", b"signature of the SBOM"))
    scan = content.manifest(referrer_document(
        content, INDEX, root, "application/vnd.example.scan", b"nothing found"))
    digest_tag = digest_of(root).replace(":", "-")
    listed = descriptor(MANIFEST, scan, artifactType="application/vnd.example.scan")
    content.manifest(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": [listed]}, digest_tag)
    cosign = image_document(content, [b"a cosign signature"])
    content.manifest(cosign, digest_tag + ".sig")
    return content


class Registry:
    """A registry on loopback, spoken to in plain HTTP."""

    def __init__(self, host):
        self.host = host
        self.connection = http.client.HTTPConnection(host, timeout=120)

    def ask(self, method, path, body=None, headers=None):
        self.connection.request(method, path, body, headers or {})
        answer = self.connection.getresponse()
        return answer, answer.read()

    def _expect(self, status, method, path, body=None, headers=None):
        answer, text = self.ask(method, path, body, headers)
        if answer.status != status:
            raise RuntimeError(f"{method} {path} at {self.host}: HTTP {answer.status} {text[:200]}")
        return answer

    def push_blob(self, repository, digest, data, size=None):
        """`data`: bytes, or an iterable of bytes with its total `size`."""
        opened = self._expect(202, "POST", f"/v2/{repository}/blobs/uploads/", b"")
        where = opened.headers["Location"]
        if "://" in where:
            where = "/" + where.split("/", 3)[3]
        where += ("&" if "?" in where else "?") + "digest=" + digest
        headers = {"Content-Type": "application/octet-stream",
                   "Content-Length": str(len(data) if size is None else size)}
        self._expect(201, "PUT", where, data, headers)

    def push(self, repository, content):
        for digest, data in content.blobs.items():
            self.push_blob(repository, digest, data)
        for reference, media_type, data in content.manifests:
            self._expect(201, "PUT", f"/v2/{repository}/manifests/{reference}", data,
                         {"Content-Type": media_type})

    def differences(self, repository, content):
        """What of `content` is missing or has other bytes here; [] when nothing."""
        out = []
        for digest, data in content.blobs.items():
            answer, got = self.ask("GET", f"/v2/{repository}/blobs/{digest}")
            if answer.status != 200 or got != data:
                out.append(f"blob {digest}")
        for reference, media_type, data in content.manifests:
            if media_type == INDEX and reference.startswith("sha256-"):
                continue  # A target with the referrers API has no fallback tags.
            answer, got = self.ask("GET", f"/v2/{repository}/manifests/{reference}", None,
                                   {"Accept": f"{MANIFEST}, {INDEX}"})
            if answer.status != 200 or got != data:
                out.append(f"manifest {reference}")
        return out
