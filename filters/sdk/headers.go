package sdk

import (
	"encoding/binary"
	"errors"
	"unsafe"
)

// headerList is the list of the request at hand, the slice used again for the next.
type headerList [][2]string

var errHeaders = errors.New("host: the header map is not well formed")

// decode reads the ABI's form of a header map, without copying it: the number of pairs; each one's two sizes; each
// one's name and value, both with a NUL after them. Numbers are of 32 bits, little-endian.
func (l *headerList) decode(b []byte) (list [][2]string, err error) {
	if len(b) < 4 {
		return nil, errHeaders // a request has headers: an empty map is not one
	}
	n := binary.LittleEndian.Uint32(b)
	sizes := b[4:]
	if uint64(n)*8 > uint64(len(sizes)) {
		return nil, errHeaders
	}
	data := sizes[n*8:]
	if uint32(cap(*l)) < n {
		*l = make([][2]string, n)
	}
	list = (*l)[:n]
	for i := range list {
		for j := range list[i] {
			size := binary.LittleEndian.Uint32(sizes)
			if uint64(size) >= uint64(len(data)) {
				return nil, errHeaders
			}
			list[i][j] = unsafe.String(unsafe.SliceData(data), int(size))
			sizes, data = sizes[4:], data[size+1:]
		}
	}
	return list, nil
}

// encode is the ABI's form of a header map.
func encode(list [][2]string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(list)))
	for _, pair := range list {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(pair[0])))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(pair[1])))
	}
	for _, pair := range list {
		for _, s := range pair {
			b = append(append(b, s...), 0)
		}
	}
	return b
}
