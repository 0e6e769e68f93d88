/* SPDX-License-Identifier: Apache-2.0
 * port_wait - finds what an idle worker can wait on for a port.
 * The af_packet and af_xdp drivers offer no receive interrupt, but a poll(2) on the socket they
 * opened serves as one: it is the descriptor of their family that appeared while the port was
 * opened. Owner: control thread, while no other thread opens files. */
#ifndef DATAPLANE_EAL_PORT_WAIT_H
#define DATAPLANE_EAL_PORT_WAIT_H

#include "dataplane/eal/port.h"

#define PORT_FD_MAX 4096

struct port_fd_set {
	uint8_t open[PORT_FD_MAX / 8];
};

/* The descriptors that are open now; those at PORT_FD_MAX or above are not seen. */
void port_fd_snapshot(struct port_fd_set *set);

/* Set p->wait and p->fd from the driver and from the descriptors opened since `before`. */
void port_wait_choose(struct port *p, const char *driver, const struct port_fd_set *before);
/* The same for a driver that opens its socket when it is attached. */
void port_wait_from_attach(struct port *p, const struct port_fd_set *before);

const char *port_wait_name(enum port_wait wait);

#endif
