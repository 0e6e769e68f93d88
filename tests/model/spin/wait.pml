/* SPDX-License-Identifier: Apache-2.0
 * A waiter and a fill (cache/lease.c): the owner ends it, another worker replaces its placeholder, two
 * waiters queue. Each word access is a step; all are sequentially consistent there. Claim: nobody waits
 * for a mailbox that nobody will fill, which Spin reports as an invalid end state. */
#define LEASE 1
#define LOST 2
#define DONE 3

byte state = LEASE;
bool waiting[2], mail[2];

inline notify()
{
	bool who[2];
	d_step { who[0] = waiting[0]; who[1] = waiting[1]; waiting[0] = false; waiting[1] = false }
	if
	:: who[0] -> mail[0] = true
	:: else
	fi;
	if
	:: who[1] -> mail[1] = true
	:: else
	fi
}

proctype owner()
{
	state = DONE;
	notify()
}

proctype replacer()
{
	atomic {
		if
		:: state == LEASE -> state = LOST
		:: else
		fi
	}
	notify()
}

proctype waiter(byte me)
{
	byte turns = 0;
	do
	:: turns < 2 ->
		waiting[me] = true;
		if
		:: state == LEASE -> atomic { mail[me] -> mail[me] = false }
		:: state != LEASE -> break
		fi;
		turns++
	:: turns == 2 -> break
	od
}

init {
	atomic { run owner(); run replacer(); run waiter(0); run waiter(1) }
}
