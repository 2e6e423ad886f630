/* Datagrams in batches: recvmmsg(2) and sendmmsg(2) between the kernel and lists of bytes.
 *
 * Parses nothing, keeps nothing between calls but its buffers, and knows no DNS.
 * An address is the kernel's own sockaddr, copied as bytes: formatting it to text and parsing it
 * back costs more than the system call that the batch saves. Without this file the package works
 * the same over plain sockets (batch.py); tests run against both.
 */
#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE
#include <Python.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define MOST 128            /* datagrams a call: a turn of the reactor must leave time for the others */
#define ROOM 65535          /* the largest UDP payload; pages that no datagram reaches cost nothing */
#define STRIDE (65536 + 64) /* buffers a power of two apart would share the same lines of the CPU's cache */

static char room[MOST * STRIDE];
static struct sockaddr_in6 address[MOST];   /* the larger of the two families we serve */
static struct iovec inward[MOST], outward[MOST];
static struct mmsghdr incoming[MOST], outgoing[MOST];

/* Slots for what comes in stay as they are, but for the length of the address, which the kernel writes. */
static void
arrange(int named)
{
    for (int i = 0; i < MOST; i++) {
        incoming[i].msg_hdr.msg_name = named ? &address[i] : NULL;
        incoming[i].msg_hdr.msg_namelen = named ? sizeof address[i] : 0;
    }
}

static void
prepare(void)
{
    for (int i = 0; i < MOST; i++) {
        inward[i] = (struct iovec){.iov_base = room + (size_t)i * STRIDE, .iov_len = ROOM};
        incoming[i].msg_hdr = (struct msghdr){.msg_iov = &inward[i], .msg_iovlen = 1};
        outgoing[i].msg_hdr = (struct msghdr){.msg_iov = &outward[i], .msg_iovlen = 1};
    }
}

static PyObject *
collect(int fd, int named)
{
    arrange(named);
    int count = recvmmsg(fd, incoming, MOST, MSG_DONTWAIT, NULL);
    if (count < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
            return PyList_New(0);
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    PyObject *list = PyList_New(count);
    if (!list)
        return NULL;
    for (int i = 0; i < count; i++) {
        PyObject *item = PyBytes_FromStringAndSize(inward[i].iov_base, incoming[i].msg_len);
        if (item && named) {
            PyObject *pair = PyTuple_New(2);
            PyObject *from = PyBytes_FromStringAndSize((char *)&address[i],
                                                       incoming[i].msg_hdr.msg_namelen);
            if (!pair || !from) {
                Py_XDECREF(pair);
                Py_XDECREF(from);
                Py_CLEAR(item);
            } else {
                PyTuple_SET_ITEM(pair, 0, item);
                PyTuple_SET_ITEM(pair, 1, from);
                item = pair;
            }
        }
        if (!item) {
            Py_DECREF(list);
            return NULL;
        }
        PyList_SET_ITEM(list, i, item);
    }
    return list;
}

PyDoc_STRVAR(receive_doc,
"receive(fd) -> list of (datagram, address)\n\n"
"What waits on an unconnected UDP socket, at most 128 datagrams; empty when nothing does.");

static PyObject *
receive(PyObject *self, PyObject *arg)
{
    int fd = PyLong_AsLong(arg);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    return collect(fd, 1);
}

PyDoc_STRVAR(read_doc,
"read(fd) -> list of datagrams\n\n"
"The same for a connected socket. OSError (ConnectionRefusedError) when the peer's host said so.");

static PyObject *
read_connected(PyObject *self, PyObject *arg)
{
    int fd = PyLong_AsLong(arg);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    return collect(fd, 0);
}

/* Fill slots from list[start:]; the bytes stay owned by the list. Returns how many, or -1. */
static int
load(PyObject *list, Py_ssize_t start, int named)
{
    Py_ssize_t left = PyList_GET_SIZE(list) - start;
    int count = left < MOST ? (int)left : MOST;
    for (int i = 0; i < count; i++) {
        PyObject *item = PyList_GET_ITEM(list, start + i);
        PyObject *data = item, *to = NULL;
        if (named) {
            if (!PyTuple_CheckExact(item) || PyTuple_GET_SIZE(item) != 2)
                goto wrong;
            data = PyTuple_GET_ITEM(item, 0);
            to = PyTuple_GET_ITEM(item, 1);
            if (!PyBytes_CheckExact(to) || PyBytes_GET_SIZE(to) > (Py_ssize_t)sizeof address[0])
                goto wrong;
        }
        if (!PyBytes_CheckExact(data))
            goto wrong;
        outward[i].iov_base = PyBytes_AS_STRING(data);
        outward[i].iov_len = PyBytes_GET_SIZE(data);
        outgoing[i].msg_hdr.msg_name = to ? PyBytes_AS_STRING(to) : NULL;
        outgoing[i].msg_hdr.msg_namelen = to ? (socklen_t)PyBytes_GET_SIZE(to) : 0;
    }
    return count;
wrong:
    PyErr_SetString(PyExc_TypeError, named ? "expected a list of (bytes, address)"
                                           : "expected a list of bytes");
    return -1;
}

static PyObject *
dispatch(PyObject *args, int named)
{
    int fd;
    PyObject *list;
    if (!PyArg_ParseTuple(args, "iO!", &fd, &PyList_Type, &list))
        return NULL;
    Py_ssize_t done = 0, sent = 0;
    int stubborn = 0;
    while (done < PyList_GET_SIZE(list)) {
        int count = load(list, done, named);
        if (count < 0)
            return NULL;
        int went = sendmmsg(fd, outgoing, count, MSG_DONTWAIT);
        if (went > 0) {
            done += went;
            sent += went;
            stubborn = 0;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;              /* the socket's buffer is full: what is left is lost, as on any wire */
        } else if ((errno == EINTR || errno == ECONNREFUSED) && !stubborn) {
            stubborn = 1;       /* an error of an earlier datagram, told now: this one was not tried */
        } else {
            done++;             /* this one can't be sent (port 0, too large, firewall): on with the rest */
            stubborn = 0;
        }
    }
    return PyLong_FromSsize_t(sent);
}

PyDoc_STRVAR(send_doc,
"send(fd, list of (datagram, address)) -> how many went out\n\n"
"One that can't be sent is left out; the others go.");

static PyObject *
send_named(PyObject *self, PyObject *args)
{
    return dispatch(args, 1);
}

PyDoc_STRVAR(write_doc, "write(fd, list of datagrams) -> how many went out, on a connected socket");

static PyObject *
write_connected(PyObject *self, PyObject *args)
{
    return dispatch(args, 0);
}

static PyMethodDef methods[] = {
    {"receive", receive, METH_O, receive_doc},
    {"read", read_connected, METH_O, read_doc},
    {"send", send_named, METH_VARARGS, send_doc},
    {"write", write_connected, METH_VARARGS, write_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_batch", "Datagrams in batches.", -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__batch(void)
{
    prepare();
    return PyModule_Create(&module);
}
