"""Rows of ChestX-ray14's label and box tables: three images of two patients, two boxes."""

ENTRY = """Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,Orig[Width,Height]
00000001_000.png,Cardiomegaly,0,1,57,M,PA,2682,2749
00000001_001.png,Infiltration|Pleural_Thickening,1,1,95,M,AP,2682,2749
00000002_000.png,No Finding,0,2,8,F,PA,2682,2749
"""
BOX = """Image Index,Finding Label,Bbox [x,y,w,h],,,
00000001_000.png,Cardiomegaly,100,200,300.5,400
00000001_001.png,Infiltrate,10,20,30,40
"""
