"""Reads an unmounted store by docs/format.md alone: a second opinion on what is written there.

usage: read_store.py STORE VOLUME

Prints "sha256  ./path" for every file and "target -> ./path" for every symbolic link of the volume, sorted. On the way it
checks what the document promises: every node's place, order and size, both items of every name, counts of blocks, the
bitmaps, that every block has a checksum. (Not whether they are right: the standard library has no XXH3.) Knows nothing of the C++ code; keep it so.
"""
import bisect
import hashlib
import stat
import struct
import sys

BLOCK = 4096
KIND_INODE, KIND_NAME, KIND_PARENT, KIND_TARGET, KIND_EXTENT = 1, 2, 3, 5, 6
KIND_VOLUME, KIND_OBJECT, KIND_SEGMENT, KIND_DROPPED, KIND_CHECKSUM = 32, 34, 37, 39, 40
DATA_CHECKSUMS = 2
ROOT_INODE = 2


def u64(data, offset=0):
    return struct.unpack_from("<Q", data, offset)[0]


class Store:
    def __init__(self, path):
        self.path = path
        self.nodes = set()
        slots = []
        with open(path + "/superblock", "rb") as superblock:
            for slot in (0, 1):
                superblock.seek(slot * BLOCK)
                data = superblock.read(512)
                if data[:8] == b"cowfs\r\n\x1a":
                    assert u64(data, 88) % 2 == slot, "a checkpoint in the wrong slot"
                    slots.append(data)
        self.superblock = max(slots, key=lambda data: u64(data, 88))
        assert struct.unpack_from("<III", self.superblock, 8) == (1, BLOCK, BLOCK)
        self.items = list(self.walk(struct.unpack_from("<QQ", self.superblock, 104)))

    def node(self, pointer):
        number, generation = pointer
        with open(f"{self.path}/nodes/{number // 1024:016x}", "rb") as segment:
            segment.seek(number % 1024 * BLOCK)
            page = segment.read(BLOCK)
        assert page[8:12] == b"COWN" and struct.unpack_from("<QQ", page, 16) == (number, generation)
        self.nodes.add(number)
        count, heap, dead = (struct.unpack_from("<H", page, at)[0] for at in (14, 32, 34))
        items, used = [], dead
        for slot in range(count):
            at = struct.unpack_from("<H", page, 48 + 2 * slot)[0]
            key_size, value_size = struct.unpack_from("<HH", page, at)
            used += 4 + key_size + value_size
            key_end = at + 4 + key_size
            items.append((page[at + 4 : key_end], page[key_end : key_end + value_size]))
        assert used == BLOCK - heap, "cells do not fill the heap"
        assert all(a[0] < b[0] for a, b in zip(items, items[1:])), "keys out of order"
        return page[12], items

    def walk(self, pointer, first_key=b""):
        level, items = self.node(pointer)
        if level == 0:
            yield from items
            return
        assert items[0][0] == first_key
        for key, value in items:
            yield from self.walk(struct.unpack("<QQ", value), key)

    def of_kind(self, kind):
        return [(key[9:], value) for key, value in self.items if key[8] == kind]

    def read_object(self, number, first, count):
        with open(f"{self.path}/objects/{number & 255:02x}/{number:016x}", "rb") as data:
            data.seek(first * BLOCK)
            return data.read(count * BLOCK).ljust(count * BLOCK, b"\0")


class Volume:
    def __init__(self, store, record):
        self.store = store
        self.items = dict(store.walk(struct.unpack_from("<QQ", record)))
        self.keys = list(self.items)  # in order, as the tree has them

    def item(self, inode, kind, rest=b""):
        return self.items.get(struct.pack(">QB", inode, kind) + rest)

    def of_inode(self, inode, kind):
        prefix = struct.pack(">QB", inode, kind)
        found = []
        for key in self.keys[bisect.bisect_left(self.keys, prefix) :]:
            if not key.startswith(prefix):
                break
            found.append((key[9:], self.items[key]))
        return found

    def content(self, inode, size, blocks):
        data, seen = bytearray(size), 0
        for rest, value in self.of_inode(inode, KIND_EXTENT):
            at = struct.unpack(">Q", rest)[0]
            number, first, count = struct.unpack_from("<QQI", value)
            assert len(value) == 32 and value[20:24] == bytes(4) and at >> 28 == (at + count - 1) >> 28
            seen += count
            piece = self.store.read_object(number, first, count)
            end = min(size, (at + count) * BLOCK)
            data[at * BLOCK : end] = piece[: end - at * BLOCK]
        assert seen == blocks and len(data) == size
        return bytes(data)

    def files(self, directory=ROOT_INODE, path="."):
        for cookie, value in self.of_inode(directory, KIND_NAME):
            child, name = u64(value), value[9:]
            inode = self.item(child, KIND_INODE)
            mode, _, _, _, size, blocks = struct.unpack_from("<IIIIQQ", inode)
            assert len(inode) == 96 and mode >> 12 == value[8]
            assert self.item(child, KIND_PARENT, struct.pack(">Q", directory) + cookie) == name
            place = path + "/" + name.decode()
            if stat.S_ISDIR(mode):
                yield from self.files(child, place)
            elif stat.S_ISLNK(mode):
                target = b"".join(chunk for _, chunk in self.of_inode(child, KIND_TARGET))
                assert len(target) == size
                yield f"{target.decode()} -> {place}"
            elif stat.S_ISREG(mode):
                yield f"{hashlib.sha256(self.content(child, size, blocks)).hexdigest()}  {place}"

    def blocks(self):
        for key, value in self.items.items():
            if key[8] == KIND_EXTENT:
                number, first, count = struct.unpack_from("<QQI", value)
                yield from ((number, first + i) for i in range(count))


def main():
    store = Store(sys.argv[1])
    volumes = {record[44:].decode(): Volume(store, record) for _, record in store.of_kind(KIND_VOLUME)}
    if not store.of_kind(KIND_DROPPED):  # else there are trees of deleted volumes too
        blocks = {place for volume in volumes.values() for place in volume.blocks()}
        assert len(blocks) == u64(store.superblock, 160), "live blocks in the superblock"
        assert len(blocks) == sum(u64(value, 16) for _, value in store.of_kind(KIND_OBJECT)), "live blocks of objects"
        bitmap = {
            1024 * struct.unpack(">Q", rest)[0] + i
            for rest, bits in store.of_kind(KIND_SEGMENT)
            for i in range(1024)
            if bits[i // 8] >> (i % 8) & 1
        }
        assert bitmap == store.nodes, "nodes in use"
    if u64(store.superblock, 40) & DATA_CHECKSUMS:
        with_checksum = {
            (number, first + i)
            for (number, first), value in (
                (struct.unpack(">QQ", rest), value) for rest, value in store.of_kind(KIND_CHECKSUM)
            )
            for i in range(len(value) // 4)
            if struct.unpack_from("<I", value, 4 * i)[0] != 0
        }
        for volume in volumes.values():
            assert with_checksum.issuperset(volume.blocks()), "written blocks without a checksum"
    print("\n".join(sorted(volumes[sys.argv[2]].files())))


main()
