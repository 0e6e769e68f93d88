/* SPDX-License-Identifier: Apache-2.0
 * Layout (all fields in the writer's byte order): a file header of 24 bytes, then records of 16
 * bytes and the packet. The magic says whether the second time field counts us or ns. */
#include "tests/support/pcap_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC_US      0xa1b2c3d4u
#define MAGIC_NS      0xa1b23c4du
#define LINK_ETHERNET 1u
#define NS_PER_SECOND UINT64_C(1000000000)

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, sigfigs, snaplen, linktype;
};

struct record_header {
	uint32_t sec, frac, stored, len;
};

_Static_assert(sizeof(struct file_header) == 24, "file format");
_Static_assert(sizeof(struct record_header) == 16, "file format");

/* Checks one record at `off`; sets *p and returns the offset after it, or 0. */
static size_t record_parse(
	const uint8_t *bytes, size_t len, size_t off, bool ns, struct pcap_packet *p)
{
	struct record_header r;

	if (len - off < sizeof(r))
		return 0;
	memcpy(&r, bytes + off, sizeof(r));
	off += sizeof(r);
	if (r.stored != r.len || r.len == 0 || r.len > PCAP_PACKET_MAX || len - off < r.len)
		return 0;
	if (r.frac >= (ns ? NS_PER_SECOND : NS_PER_SECOND / 1000))
		return 0;
	p->time_ns = r.sec * NS_PER_SECOND + (uint64_t)r.frac * (ns ? 1 : 1000);
	p->len = r.len;
	p->data = bytes + off;
	return off + r.len;
}

static int packets_parse(struct pcap_file *f, size_t len, bool ns)
{
	size_t off = sizeof(struct file_header), cap = 0;
	uint64_t last_ns = 0;

	while (off < len) {
		struct pcap_packet p;

		off = record_parse(f->bytes, len, off, ns, &p);
		if (off == 0 || p.time_ns < last_ns)
			return -EINVAL;
		last_ns = p.time_ns;
		if (f->packet_cnt == cap) {
			struct pcap_packet *more;

			cap = cap ? 2 * cap : 64;
			more = realloc(f->packets, cap * sizeof(*more));
			if (more == NULL)
				return -ENOMEM;
			f->packets = more;
		}
		f->packets[f->packet_cnt++] = p;
	}
	return 0;
}

int pcap_file_parse(const uint8_t *bytes, size_t len, struct pcap_file *out)
{
	struct file_header h;
	int rc = -EINVAL;

	memset(out, 0, sizeof(*out));
	if (len < sizeof(h))
		return -EINVAL;
	memcpy(&h, bytes, sizeof(h));
	if ((h.magic != MAGIC_US && h.magic != MAGIC_NS) || h.major != 2 || h.minor != 4 ||
		h.linktype != LINK_ETHERNET)
		return -EINVAL;
	out->bytes = malloc(len);
	if (out->bytes == NULL)
		return -ENOMEM;
	memcpy(out->bytes, bytes, len);
	rc = packets_parse(out, len, h.magic == MAGIC_NS);
	if (rc != 0)
		pcap_file_free(out);
	return rc;
}

int pcap_file_load(const char *path, struct pcap_file *out)
{
	FILE *f = fopen(path, "rb");
	uint8_t *bytes = NULL;
	long len;
	int rc;

	memset(out, 0, sizeof(*out));
	if (f == NULL)
		return -errno;
	if (fseek(f, 0, SEEK_END) != 0 || (len = ftell(f)) < 0 || fseek(f, 0, SEEK_SET) != 0) {
		rc = -EIO;
		goto close;
	}
	bytes = malloc((size_t)len + 1);
	if (bytes == NULL)
		rc = -ENOMEM;
	else if (fread(bytes, 1, (size_t)len, f) != (size_t)len)
		rc = -EIO;
	else
		rc = pcap_file_parse(bytes, (size_t)len, out);
	free(bytes);
close:
	fclose(f);
	return rc;
}

void pcap_file_free(struct pcap_file *f)
{
	free(f->packets);
	free(f->bytes);
	memset(f, 0, sizeof(*f));
}

int pcap_write_header(FILE *f)
{
	const struct file_header h = {
		.magic = MAGIC_NS,
		.major = 2,
		.minor = 4,
		.snaplen = PCAP_PACKET_MAX,
		.linktype = LINK_ETHERNET,
	};

	return fwrite(&h, sizeof(h), 1, f) == 1 ? 0 : -EIO;
}

int pcap_write_packet(FILE *f, const struct pcap_packet *p)
{
	const struct record_header r = {
		.sec = (uint32_t)(p->time_ns / NS_PER_SECOND),
		.frac = (uint32_t)(p->time_ns % NS_PER_SECOND),
		.stored = p->len,
		.len = p->len,
	};

	return fwrite(&r, sizeof(r), 1, f) == 1 && fwrite(p->data, p->len, 1, f) == 1 ? 0 : -EIO;
}
