# SPDX-License-Identifier: Apache-2.0
"""All scenario modules, in the order of the layers."""
from weirgen import s_link, s_malformed, s_ip, s_modes, s_icmp, s_frag, s_service, s_sched  # noqa: F401
