"""Preparing and scoring many radiographs in chunks, in processes of this machine or on Ray.

A chunk is a range of the sorted list of images. A worker prepares or scores one chunk after the other, so memory
depends on the size of a chunk, not of the archive, and a worker that dies costs one chunk.
"""
