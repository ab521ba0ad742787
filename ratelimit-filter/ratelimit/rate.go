package ratelimit

import (
	"encoding/binary"
	"errors"
	"strconv"
	"time"
)

// Rate is how much a bucket lets through, in the form that counting needs (GCRA, as in ITU-T I.371): a bucket is the
// time at which it will be full again, each unit of cost moves that time on by interval, and it may not lie further
// ahead than tolerance.
type Rate struct {
	Requests int64
	Per      time.Duration
	Burst    int64

	interval  int64 // ns in which one unit flows back, rounded up: never more than Requests in Per
	tolerance int64 // Burst intervals
	debt      bool  // a bucket may lack more than it holds: responses are charged, whatever is left
}

// Bounds of a rate.
const (
	MaxRequests = 1_000_000_000
	MinPer      = time.Millisecond
	MaxPer      = 366 * 24 * time.Hour
	// maxTolerance keeps the sum of a clock (decades in ns) and a bucket's time within an int64.
	maxTolerance = int64(1) << 61
)

var errTolerance = errors.New("a bucket of this burst takes more than 73 years to fill")

// NewRate makes a rate of values that are within the bounds. A burst of 0 means requests.
func NewRate(requests int64, per time.Duration, burst int64) (Rate, error) {
	if burst == 0 {
		burst = requests
	}
	r := Rate{Requests: requests, Per: per, Burst: burst}
	r.interval = (int64(per) + requests - 1) / requests
	if burst > maxTolerance/r.interval {
		return Rate{}, errTolerance
	}
	r.tolerance = burst * r.interval
	return r, nil
}

// String is the rate in words.
func (r *Rate) String() string {
	text := strconv.FormatInt(r.Requests, 10) + " per " + r.Per.String()
	if r.Burst != r.Requests {
		text += " (" + strconv.FormatInt(r.Burst, 10) + " at once)"
	}
	return text
}

// appendTo tells buckets with debts apart that are of different rates: what is a small debt at one rate may be years at
// another.
func (r *Rate) appendTo(name []byte) []byte {
	if !r.debt {
		return name
	}
	name = binary.LittleEndian.AppendUint64(name, uint64(r.interval))
	return binary.LittleEndian.AppendUint64(name, uint64(r.tolerance))
}

// ceiling is the highest cost that a bucket may ever admit.
func (r *Rate) ceiling(global bool) int64 {
	if global {
		return r.Requests
	}
	return r.Burst
}

// Charge is when a bucket that is full at `full` would be full again after a charge at now, and whether the rate admits
// that. A request that costs nothing is admitted if one that costs 1 would be.
func (r *Rate) Charge(full, now, cost int64) (charged int64, admitted bool) {
	full = r.bound(max(full, now), now)
	if asked := full + max(cost, 1)*r.interval; asked-now > r.tolerance {
		return asked, false
	}
	return full + cost*r.interval, true
}

// bound takes a bucket that comes from a configuration with another rate for one that is empty at most. (Buckets with debts
// are not shared with other rates.)
func (r *Rate) bound(full, now int64) int64 {
	if r.debt {
		return full
	}
	return min(full, now+r.tolerance)
}

// owe is when a bucket would be full again after a charge that it cannot refuse.
func (r *Rate) owe(full, now, cost int64) int64 {
	charged := max(full, now) + min(cost, maxTolerance/r.interval)*r.interval
	return min(charged, now+maxTolerance)
}

// level is what a bucket has left.
func (r *Rate) level(full, now int64) Level {
	missing := r.bound(max(full, now), now) - now
	return Level{
		Remaining: max(r.tolerance-missing, 0) / r.interval,
		Full:      seconds(missing),
		near:      missing >= r.tolerance/5*4,
	}
}

// Level is how a bucket stands.
type Level struct {
	Remaining int64 // units of cost that would be admitted at once
	Full      int64 // seconds until it is full again, rounded up
	near      bool  // at least 80 % of it are used
}

// seconds rounds nanoseconds up.
func seconds(ns int64) int64 { return (ns + int64(time.Second) - 1) / int64(time.Second) }
