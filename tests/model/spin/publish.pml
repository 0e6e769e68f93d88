/* SPDX-License-Identifier: Apache-2.0
 * Reserve, publish, replace, remove and sweep of one bucket (cache/index.c), one key: two writers, a
 * deleter and a reader. Items are numbers that are used once, as places in the arena are within a grace
 * period. Claims: the key is in at most one published slot; a reader believes only in what was
 * published. */
#define SLOTS 3
#define FREE 0
#define DEAD 255

byte version;
bool valid[SLOTS];
byte word[SLOTS];
bool published[8];	/* by item */

inline check_unique()
{
	assert((valid[0] && word[0] != DEAD) + (valid[1] && word[1] != DEAD) +
		(valid[2] && word[2] != DEAD) <= 1)
}

/* The header is one word: version and valid bits are read and changed together. */
inline load_header()
{
	d_step { ver = version; v[0] = valid[0]; v[1] = valid[1]; v[2] = valid[2] }
}

inline find()
{
	again = true;
	do
	:: !again -> break
	:: again ->
	again = false;
	load_header();
	found = SLOTS;
	i = 0;
	do
	:: i < SLOTS && v[i] ->
		w = word[i];
		if
		:: w != FREE && w != DEAD ->
			if
			:: atomic { version == ver -> found = i; fw = w }
			:: version != ver -> again = true
			fi;
			break
		:: else -> i++
		fi
	:: i < SLOTS && !v[i] -> i++
	:: i >= SLOTS -> break
	od
	od
}

proctype writer(byte item)
{
	byte ver, i, w, found, fw;
	bool v[SLOTS], again, done;
	do
	:: done -> break
	:: !done ->
		find();
		if
		:: found < SLOTS ->
			atomic {
				if
				:: word[found] == fw ->
					assert(valid[found]);	/* never a reserved one */
					word[found] = item; published[item] = true; done = true; check_unique()
				:: else
				fi
			}
		:: else ->
			i = 0;
			do
			:: i < SLOTS && !v[i] ->
				if
				:: atomic { word[i] == FREE -> word[i] = item }
					if
					:: atomic { version == ver ->
						valid[i] = true; version++; published[item] = true; done = true;
						check_unique() }
					:: version != ver -> word[i] = FREE
					fi;
					break
				:: word[i] != FREE -> i++
				fi
			:: i < SLOTS && v[i] -> i++
			:: i >= SLOTS -> break
			od
		fi
	od
}

proctype deleter()
{
	byte ver, i, w, found, fw;
	bool v[SLOTS], again;
	find();
	if
	:: found < SLOTS ->
		if
		:: atomic { word[found] == fw -> assert(valid[found]); word[found] = DEAD }
			do	/* sweep */
			:: load_header();
				if
				:: !v[found] -> break
				:: else
				fi;
				if
				:: word[found] != DEAD -> break
				:: else
				fi;
				if
				:: atomic { version == ver -> valid[found] = false; version++ }
					word[found] = FREE;
					break
				:: version != ver
				fi
			od
		:: word[found] != fw
		fi
	:: else
	fi
}

proctype reader()
{
	byte ver, i, w, found, fw;
	bool v[SLOTS], again;
	find();
	if
	:: found < SLOTS -> assert(published[fw])
	:: else
	fi
}

init {
	atomic { run writer(1); run writer(2); run deleter(); run deleter(); run reader() }
}
