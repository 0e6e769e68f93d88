/* SPDX-License-Identifier: Apache-2.0
 * Reuse of a segment (cache/epoch.h, cache/segment.c): two readers go online, look the item up, perhaps pin
 * it, report quiescent, use the pin and return it, the second through a pin made from the first's at
 * times; the evictor removes the word, draws a token, waits for both and then for even pins. Claim:
 * nobody uses the segment after it was freed. */
bool linked = true, freed;
byte token = 1, seen[2];
byte made[2], back[2];
bool given;	/* the first reader has handed a pin to the second */

inline use() { assert(!freed) }

inline online(me)
{
	t = token;
	seen[me] = t;
	t = token;
	seen[me] = t
}

proctype reader(byte me)
{
	byte t, n = 0;
	do
	:: n < 2 ->
		online(me);
		if
		:: linked ->
			use();
			if
			:: made[me]++;
				t = token; seen[me] = t;	/* quiescent: the view is gone, the pin is not */
				use();
				if
				:: me == 0 && !given ->
					/* the other makes its own from ours, then we may return ours */
					given = true;
					(!given);
					back[me]++
				:: use(); back[1 - me]++	/* any worker returns it */
				fi
			:: skip
			fi
		:: !linked
		fi;
		if
		:: t = token; seen[me] = t
		:: skip
		fi;
		seen[me] = 0;
		n++
	:: n == 2 -> break
	od
}

/* The second worker's other half: takes a pin over. It needs no view and need not be online. */
proctype taker()
{
end:	do
	:: given ->
		made[1]++;
		given = false;
		use();
		back[1]++
	od
}

proctype evictor()
{
	byte mine, b, m;
	linked = false;
	d_step { token++; mine = token }
	do
	:: (seen[0] == 0 || seen[0] >= mine) -> break
	od;
	do
	:: (seen[1] == 0 || seen[1] >= mine) -> break
	od;
	do
	:: b = back[0]; b = b + back[1]; m = made[0]; m = m + made[1];
		if
		:: b == m -> break
		:: b != m
		fi
	od;
	freed = true
}

init {
	atomic { run reader(0); run reader(1); run taker(); run evictor() }
}
