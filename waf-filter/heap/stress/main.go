// Command stress is a module that puts package heap under load, for its test. Its configuration is a number to start from and how
// many steps to take: "17 100000".
package main

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/sdk"
)

func init() { sdk.Run(host.Filter{Name: "heap-stress", Configure: configure}) }

func main() {}

// configure does it all. It logs how many bytes were allocated, and how many the heap has.
func configure(h host.Host) (host.Handler, error) {
	raw, err := h.Configuration()
	if err != nil {
		return nil, err
	}
	first, second, _ := strings.Cut(string(raw), " ")
	seed, err := strconv.ParseUint(first, 10, 64)
	if err != nil {
		return nil, err
	}
	steps, err := strconv.Atoi(second)
	if err != nil {
		return nil, err
	}
	w := &world{random: rand.New(rand.NewPCG(seed, 1))}
	if err := w.run(steps); err != nil {
		return nil, err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.Log(host.Info, strconv.FormatUint(m.TotalAlloc, 10)+" "+strconv.FormatUint(m.HeapSys, 10))
	return handler{}, nil
}

type handler struct{}

func (handler) RequestHeaders(host.Host) host.Action { return host.Continue }

// A world is objects of many kinds that know what they hold. Each part is reachable in one way only, so that it is gone if
// that is missed, and what takes its place makes it wrong.
type world struct {
	random *rand.Rand
	roots  [64]thing
	serial uint64
}

// The globals come to point to objects. Some start as numbers that could be addresses of objects, others as nothing.
var (
	numbers = [8]any{0x12_3458, 0x23_4568, 0x45_6788, 0x67_8898, 0x89_aab8, 0xab_ccd8, 0xcd_eef8, 0x123_4568}
	nothing [8]any
)

// thing checks that it is as it was made.
type thing interface{ sound() bool }

var (
	errNotZero = errors.New("new memory is not zero")
	errChanged = errors.New("an object is not what it was")
)

func (w *world) run(steps int) error {
	for range steps {
		i := w.random.IntN(len(w.roots))
		if t := w.roots[i]; t != nil && !t.sound() {
			return errChanged
		}
		made, err := w.make(w.random.IntN(6))
		if err != nil {
			return err
		}
		w.roots[i] = made
		for _, global := range []*any{&numbers[w.random.IntN(len(numbers))], &nothing[w.random.IntN(len(nothing))]} {
			if err := w.renew(global); err != nil {
				return err
			}
		}
		if w.random.IntN(steps/8+1) == 0 {
			runtime.GC()
		}
	}
	runtime.GC()
	for _, t := range w.roots {
		if t != nil && !t.sound() {
			return errChanged
		}
	}
	return nil
}

func (w *world) renew(x *any) error {
	if t, ok := (*x).(thing); ok && !t.sound() {
		return errChanged
	}
	made, err := w.makeNode(0)
	*x = made
	return err
}

func (w *world) make(depth int) (thing, error) {
	switch w.random.IntN(8) {
	case 0:
		return w.makeOctets(1 + w.random.IntN(300))
	case 1:
		return w.makeOctets(1 + w.random.IntN(40_000))
	case 2:
		return makeTable(w.random.IntN(200)), nil
	case 3:
		return makeTable(w.random.IntN(3)), nil
	case 4:
		return w.makeText(), nil
	case 5:
		return w.makeList(depth, 1+w.random.IntN(8))
	case 6:
		return w.makeList(0, 600+w.random.IntN(600)) // a large object, of pointers
	}
	return w.makeNode(depth)
}

// octets are the same number in each byte.
type octets struct {
	value byte
	b     []byte
}

func (w *world) makeOctets(size int) (thing, error) {
	o := &octets{byte(w.random.Uint32()), make([]byte, size)}
	for i := range o.b {
		if o.b[i] != 0 {
			return nil, errNotZero
		}
		o.b[i] = o.value
	}
	if size > 2 {
		o.b = o.b[w.random.IntN(size-1):] // only its middle is known now
	}
	return o, nil
}

func (o *octets) sound() bool {
	for _, b := range o.b {
		if b != o.value {
			return false
		}
	}
	return true
}

// node has pointers between other words, and is too long for a layout in one word.
type node struct {
	serial  uint64
	first   thing
	numbers [20]uint32
	second  thing
	check   *uint64
}

func (w *world) makeNode(depth int) (thing, error) {
	n := &node{}
	if n.serial != 0 || n.numbers != [20]uint32{} || n.first != nil || n.check != nil {
		return nil, errNotZero
	}
	w.serial++
	n.serial = w.serial
	check := ^w.serial
	n.check = &check
	for i := range n.numbers {
		n.numbers[i] = uint32(w.serial)
	}
	var err error
	if depth > 0 {
		if n.first, err = w.make(depth - 1); err == nil {
			n.second, err = w.make(depth - 1)
		}
	}
	return n, err
}

func (n *node) sound() bool {
	if *n.check != ^n.serial {
		return false
	}
	for i := range n.numbers {
		if n.numbers[i] != uint32(n.serial) {
			return false
		}
	}
	return (n.first == nil || n.first.sound()) && (n.second == nil || n.second.sound())
}

// list is an array of structs with pointers.
type list []element

type element struct {
	index int
	text  string
	item  thing
}

func (w *world) makeList(depth, n int) (thing, error) {
	var l list
	for i := range n {
		e := element{index: i, text: textOf(i)}
		if depth > 0 {
			var err error
			if e.item, err = w.make(depth - 1); err != nil {
				return nil, err
			}
		}
		l = append(l, e)
	}
	return &l, nil
}

func textOf(i int) string { return strconv.Itoa(i * 1_003) }

func (l *list) sound() bool {
	for i, e := range *l {
		if e.index != i || e.text != textOf(i) || e.item != nil && !e.item.sound() {
			return false
		}
	}
	return true
}

// table is a map that grew and shrank.
type table struct {
	m    map[string]*uint64
	keys int
}

func makeTable(n int) thing {
	t := &table{m: map[string]*uint64{}, keys: n}
	for i := range 2 * n {
		value := uint64(i) * 7
		t.m["key "+strconv.Itoa(i)] = &value
	}
	for i := n; i < 2*n; i++ {
		delete(t.m, "key "+strconv.Itoa(i))
	}
	return t
}

func (t *table) sound() bool {
	found := 0
	for k, v := range t.m {
		if k != "key "+strconv.FormatUint(*v/7, 10) {
			return false
		}
		found++
	}
	return found == t.keys && len(t.m) == t.keys
}

// text is a string that was built piece by piece, and is known to a closure only.
type text func() bool

func (w *world) makeText() thing {
	var b strings.Builder
	n := w.random.IntN(100)
	for i := range n {
		b.WriteString(strconv.Itoa(i))
	}
	return text(func() bool {
		rest := b.String()
		for i := range n {
			var ok bool
			if rest, ok = strings.CutPrefix(rest, strconv.Itoa(i)); !ok {
				return false
			}
		}
		return rest == ""
	})
}

func (t text) sound() bool { return t() }
