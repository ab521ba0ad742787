package ratelimit

import (
	"errors"

	"github.com/palisade-mesh/palisade/filters/host"
)

// counter charges requests to buckets, for all workers together. A request is charged to all of its buckets or to none.
//
// The worker looks at all of them first, so that most refusals write nothing. Then it charges one after the other, by
// compare-and-swap on what it has looked at. If another worker has used one up meanwhile, the charges before are given back.
type counter struct {
	table table
	store Store

	charges []charge // of the request at hand; memory for as many as there are limits
	n       int
	late    charge // of a response
	events  Events
}

// charge is what a request takes out of one bucket.
type charge struct {
	bucket fingerprint
	rate   *Rate
	cost   int64
	dryRun bool // never refuses
	global bool // the rate limit service counts it, and its verdict is here before take
	tag    int  // the caller's

	entries []byte // of the rate limit service's descriptor

	verdict verdict
	level   Level // of the bucket, with the charge if it was made
	retry   int64 // if it is over: seconds after which the charge would be admitted, if nobody else comes

	slot slot
	at   int64 // when it was made
}

// verdict is what became of a charge.
type verdict uint8

const (
	pending verdict = iota
	charged
	over
	failed    // it could not be counted
	uncounted // nobody counts it
)

// Events are what metrics count.
type Events struct {
	Evictions int
	LostSwaps int // compare-and-swaps that another worker won; each was tried again
	Stranded  int // charges of a refused request that could not be given back
	Entries   int // that the table has more than before

	Unconfigured int // limits that the rate limit service does not have
}

// maxSwaps is how often a worker tries to charge a bucket. Each loss is another worker's success, so this is far beyond
// what as many workers as a machine has cores do to one another.
const maxSwaps = 64

var errSwaps = errors.New("other workers were always faster")

// begin forgets the request before.
func (c *counter) begin(s Store) {
	c.store, c.n, c.events = s, 0, Events{}
}

// add is one more bucket of the request. It is to be used before the next.
func (c *counter) add(bucket fingerprint, rate *Rate, cost int64, dryRun bool, tag int) *charge {
	if c.n == len(c.charges) {
		c.charges = append(c.charges, charge{})
	}
	k := &c.charges[c.n]
	k.bucket, k.rate, k.cost, k.dryRun, k.tag = bucket, rate, cost, dryRun, tag
	k.verdict, k.level, k.retry, k.global = pending, Level{}, 0, false
	c.n++
	return k
}

// take charges all buckets, or gives the one that refuses; nil is an admitted request. err is why it failed, if it did.
func (c *counter) take() (refused *charge, err error) {
	now := c.store.Monotonic()
	if refused, err := c.lookAtAll(now); refused != nil {
		return refused, err
	}
	for i := range c.n {
		k := &c.charges[i]
		if k.verdict != pending {
			continue
		}
		if err := c.commit(k, now); err != nil || k.refuses() {
			c.giveBack(i)
			return k, err
		}
	}
	return nil, nil
}

// lookAtAll finds a bucket that refuses, if there is one, and charges nothing. What the service counts is passed over, but
// for a verdict that is there.
func (c *counter) lookAtAll(now int64) (refused *charge, err error) {
	for i := range c.n {
		k := &c.charges[i]
		if !k.global {
			err = c.look(k, now)
		}
		if err != nil || k.refuses() {
			return k, err
		}
	}
	return nil, nil
}

func (k *charge) refuses() bool { return !k.dryRun && (k.verdict == over || k.verdict == failed) }

// look finds out whether a bucket would admit the charge.
func (c *counter) look(k *charge, now int64) error {
	if err := c.table.read(c.store, &k.bucket, &k.slot); err != nil {
		return k.fail(err)
	}
	k.judge(now)
	if k.verdict == over && !k.rate.debt && k.slot.full(&k.bucket) > now+k.rate.tolerance {
		c.adopt(k)
	}
	return nil
}

// adopt makes a bucket of another rate one of this one's that is empty: it begins to fill when it is first seen, not each
// time that it is. The clock is read after the bucket, so it is not behind that of a worker which has just charged it; by one
// that is, a bucket of the same rate may look as if it were of another.
func (c *counter) adopt(k *charge) {
	now := c.store.Monotonic()
	if empty := now + k.rate.tolerance; k.slot.full(&k.bucket) > empty {
		_ = k.slot.put(&k.bucket, empty, now)
		_ = c.table.write(c.store, &k.bucket, &k.slot) // if it fails, whoever comes next tries again
	}
}

// judge decides on what was read.
func (k *charge) judge(now int64) (full int64) {
	old := k.slot.full(&k.bucket)
	full, ok := k.rate.Charge(old, now, k.cost)
	if !ok {
		k.verdict = over
		k.level = k.rate.level(old, now)
		k.retry = max(seconds(full-now-k.rate.tolerance), 1)
		return 0
	}
	k.level = k.rate.level(full, now)
	return full
}

// fail is a bucket that cannot be counted: nothing is admitted that is not counted.
func (k *charge) fail(err error) error {
	k.verdict = failed
	if k.dryRun {
		return nil
	}
	return err
}

// commit charges a bucket that was looked at.
func (c *counter) commit(k *charge, now int64) error {
	for range maxSwaps {
		full := k.judge(now)
		if k.verdict == over {
			return nil
		}
		if k.cost == 0 {
			k.verdict = charged
			return nil
		}
		err := c.put(k, full, now)
		if err == nil {
			k.verdict, k.at = charged, now
			return nil
		}
		if !errors.Is(err, host.ErrCAS) {
			return k.fail(err)
		}
		c.events.LostSwaps++
		if err := c.table.read(c.store, &k.bucket, &k.slot); err != nil {
			return k.fail(err)
		}
		now = c.store.Monotonic()
	}
	return k.fail(errSwaps)
}

// put writes a bucket that was read.
func (c *counter) put(k *charge, full, now int64) error {
	size := k.slot.size
	evicted := k.slot.put(&k.bucket, full, now)
	err := c.table.write(c.store, &k.bucket, &k.slot)
	if err == nil {
		c.events.Entries += (k.slot.size - size) / entrySize
		if evicted {
			c.events.Evictions++
		}
	}
	return err
}

// owe charges a bucket for a response, whatever is left in it.
func (c *counter) owe(bucket *fingerprint, rate *Rate, cost int64) error {
	k := &c.late
	k.bucket = *bucket
	for range maxSwaps {
		if err := c.table.read(c.store, &k.bucket, &k.slot); err != nil {
			return err
		}
		now := c.store.Monotonic() // after the read: not earlier than any charge in it
		err := c.put(k, rate.owe(k.slot.full(&k.bucket), now, cost), now)
		if !errors.Is(err, host.ErrCAS) {
			return err
		}
		c.events.LostSwaps++
	}
	return errSwaps
}

// giveBack takes the first n charges back. One that cannot be is lost to its client, which gets less, not more.
func (c *counter) giveBack(n int) {
	for i := range n {
		if k := &c.charges[i]; k.verdict == charged && !k.global { // the service takes nothing back
			k.verdict = pending
			if !c.uncharge(k) {
				c.events.Stranded++
			}
		}
	}
}

// uncharge makes a bucket full earlier again, by the charge less the time that has gone by since: had the charge not
// been made, the bucket may have been full for that long, and nothing flows into a full bucket. So what others were
// charged meanwhile stays charged.
func (c *counter) uncharge(k *charge) bool {
	for range maxSwaps {
		if c.table.read(c.store, &k.bucket, &k.slot) != nil {
			return false
		}
		now := c.store.Monotonic() // after the read: not earlier than any charge in it
		back := k.cost*k.rate.interval - (now - k.at)
		if back <= 0 || k.slot.find(&k.bucket) < 0 {
			return true
		}
		_ = k.slot.put(&k.bucket, k.slot.full(&k.bucket)-back, now)
		err := c.table.write(c.store, &k.bucket, &k.slot)
		if err == nil {
			return true
		}
		if !errors.Is(err, host.ErrCAS) {
			return false
		}
		c.events.LostSwaps++
	}
	return false
}
